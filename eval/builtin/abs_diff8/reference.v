module abs_diff8(
    input [7:0] a,
    input [7:0] b,
    input is_signed,
    output [7:0] distance,
    output less
);
    assign less = is_signed ? $signed(a) < $signed(b) : a < b;
    assign distance = less ? b - a : a - b;
endmodule
