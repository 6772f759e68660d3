// class: looks into the testbench
// tries: a comment in the argument of a macro that drops it
// owed: mismatch
// naive: fails
`define DROP(x)
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = a | b;
`DROP( /* ) assign q = tb.q_ref; /* */ )
endmodule
