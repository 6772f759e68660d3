// class: looks into the testbench
// tries: $root is not a call, and still a system name
// owed: forbidden
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = $root.tb.q_ref;
endmodule
