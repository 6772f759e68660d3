module add_sub8(
    input [7:0] a,
    input [7:0] b,
    input sub,
    output [7:0] result,
    output carry,
    output overflow
);
    wire [7:0] other = sub ? ~b : b;
    assign {carry, result} = {1'b0, a} + {1'b0, other} + {8'd0, sub};
    assign overflow = (a[7] == other[7]) && (result[7] != a[7]);
endmodule
