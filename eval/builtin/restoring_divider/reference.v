module restoring_divider(
    input clk,
    input rst,
    input start,
    input [15:0] dividend,
    input [7:0] divisor,
    output reg done,
    output reg [15:0] quotient,
    output reg [7:0] remainder
);
    reg busy;
    reg [7:0] by;
    reg [3:0] left;
    // The quotient's register gives the dividend's bits from its top and takes the quotient's at its bottom.
    wire [8:0] rest = {remainder, quotient[15]};
    wire fits = rest >= {1'b0, by};

    always @(posedge clk) begin
        if (rst) begin
            busy <= 1'b0;
            done <= 1'b0;
        end else if (busy) begin
            remainder <= fits ? rest[7:0] - by : rest[7:0];
            quotient <= {quotient[14:0], fits};
            left <= left - 4'd1;
            if (left == 4'd0) begin
                busy <= 1'b0;
                done <= 1'b1;
            end
        end else if (start) begin
            busy <= 1'b1;
            done <= 1'b0;
            remainder <= 8'd0;
            quotient <= dividend;
            by <= divisor;
            left <= 4'd15;
        end
    end
endmodule
