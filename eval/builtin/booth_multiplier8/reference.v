module booth_multiplier8(
    input clk,
    input rst,
    input start,
    input signed [7:0] a,
    input signed [7:0] b,
    output reg busy,
    output reg done,
    output signed [15:0] product
);
    reg signed [7:0] factor;
    reg signed [7:0] high;
    // What is left of b, with the last bit dealt with below it; bits of the product come in at the top.
    reg [8:0] low;
    reg [1:0] step;
    reg signed [9:0] part;
    wire signed [9:0] sum = high + part;

    assign product = {high, low[8:1]};

    always @*
        case (low[2:0])
            3'd1, 3'd2: part = factor;
            3'd3: part = factor <<< 1;
            3'd4: part = -(factor <<< 1);
            3'd5, 3'd6: part = -factor;
            default: part = 10'sd0;
        endcase

    always @(posedge clk) begin
        done <= 1'b0;
        if (rst)
            busy <= 1'b0;
        else if (busy) begin
            high <= sum[9:2];
            low <= {sum[1:0], low[8:2]};
            step <= step + 2'd1;
            if (step == 2'd3) begin
                busy <= 1'b0;
                done <= 1'b1;
            end
        end else if (start) begin
            busy <= 1'b1;
            factor <= a;
            high <= 8'sd0;
            low <= {b, 1'b0};
            step <= 2'd0;
        end
    end
endmodule
