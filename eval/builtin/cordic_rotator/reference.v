module cordic_rotator(
    input clk,
    input rst,
    input start,
    input signed [11:0] x_in,
    input signed [11:0] y_in,
    input signed [15:0] angle,
    output reg busy,
    output reg done,
    output reg signed [13:0] x_out,
    output reg signed [13:0] y_out,
    output reg signed [15:0] z_out
);
    reg [2:0] step;
    wire signed [13:0] x_turned, y_turned, x_next, y_next;
    wire signed [15:0] z_turned, z_next;

    cordic_half half(
        .x(x_in), .y(y_in), .z(angle), .x_turned(x_turned), .y_turned(y_turned), .z_turned(z_turned)
    );
    cordic_step one_step(
        .number(step), .x(x_out), .y(y_out), .z(z_out), .x_next(x_next), .y_next(y_next), .z_next(z_next)
    );

    // The results' registers hold the values between the steps too.
    always @(posedge clk) begin
        done <= 1'b0;
        if (rst)
            busy <= 1'b0;
        else if (busy) begin
            x_out <= x_next;
            y_out <= y_next;
            z_out <= z_next;
            step <= step + 3'd1;
            if (step == 3'd7) begin
                busy <= 1'b0;
                done <= 1'b1;
            end
        end else if (start) begin
            busy <= 1'b1;
            step <= 3'd0;
            x_out <= x_turned;
            y_out <= y_turned;
            z_out <= z_turned;
        end
    end
endmodule

module cordic_half(
    input signed [11:0] x,
    input signed [11:0] y,
    input signed [15:0] z,
    output signed [13:0] x_turned,
    output signed [13:0] y_turned,
    output signed [15:0] z_turned
);
    wire turns = z > 16'sd16384 || z < -16'sd16384;
    assign x_turned = turns ? -x : x;
    assign y_turned = turns ? -y : y;
    // Half a turn more is half a turn less.
    assign z_turned = {z[15] ^ turns, z[14:0]};
endmodule

module cordic_step(
    input [2:0] number,
    input signed [13:0] x,
    input signed [13:0] y,
    input signed [15:0] z,
    output signed [13:0] x_next,
    output signed [13:0] y_next,
    output signed [15:0] z_next
);
    wire signed [13:0] x_part = x >>> number;
    wire signed [13:0] y_part = y >>> number;
    wire back = z[15];
    reg signed [15:0] turn;

    assign x_next = back ? x + y_part : x - y_part;
    assign y_next = back ? y - x_part : y + x_part;
    assign z_next = back ? z + turn : z - turn;

    always @*
        case (number)
            3'd0: turn = 16'sd8192;
            3'd1: turn = 16'sd4836;
            3'd2: turn = 16'sd2555;
            3'd3: turn = 16'sd1297;
            3'd4: turn = 16'sd651;
            3'd5: turn = 16'sd326;
            3'd6: turn = 16'sd163;
            default: turn = 16'sd81;
        endcase
endmodule
