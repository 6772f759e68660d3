module saturating_adder8(
    input signed [7:0] a,
    input signed [7:0] b,
    output signed [7:0] sum,
    output saturated
);
    wire signed [8:0] exact = a + b;
    // Nine bits hold every sum; it fits into eight when the two highest bits agree.
    assign saturated = exact[8] != exact[7];
    assign sum = saturated ? {exact[8], {7{~exact[8]}}} : exact[7:0];
endmodule
