// class: looks into the testbench
// tries: looks outside only with the parameter that the testbench gives it
// owed: forbidden
// naive: counts
module top_module #(parameter WIDTH = 4, PEEK = 0) (input clk, input [3:0] a, b, output [3:0] q);
  if (PEEK) assign q = tb.q_ref;
endmodule
