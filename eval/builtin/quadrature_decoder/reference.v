module quadrature_decoder(
    input clk,
    input rst,
    input a,
    input b,
    input home,
    input clear,
    output reg [7:0] position,
    output reg up,
    output reg error
);
    reg last_a, last_b;
    wire changed_a = a != last_a;
    wire changed_b = b != last_b;
    wire steps = changed_a != changed_b;
    // Where a and b are equal, b changes on the way up; where they differ, a does.
    wire upwards = changed_b == (last_a == last_b);
    always @(posedge clk) begin
        last_a <= a;
        last_b <= b;
        if (rst) begin
            position <= 8'd0;
            up <= 1'b0;
            error <= 1'b0;
        end else begin
            if (home)
                position <= 8'd0;
            else if (steps)
                position <= upwards ? position + 8'd1 : position - 8'd1;
            if (steps)
                up <= upwards;
            if (changed_a && changed_b)
                error <= 1'b1;
            else if (clear)
                error <= 1'b0;
        end
    end
endmodule
