module bcd_digit_adder(
    input [3:0] a,
    input [3:0] b,
    input carry_in,
    output [3:0] sum,
    output carry_out,
    output invalid
);
    wire [4:0] total = {1'b0, a} + {1'b0, b} + {4'd0, carry_in};
    assign invalid = a > 4'd9 || b > 4'd9;
    assign carry_out = !invalid && total > 5'd9;
    assign sum = invalid ? 4'd0 : carry_out ? total[3:0] + 4'd6 : total[3:0];
endmodule
