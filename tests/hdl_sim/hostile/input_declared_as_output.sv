// class: forces or drives the testbench
// tries: calls its inputs outputs, and drives them
// owed: forbidden
// owed line: elaboration_error
// owed cocotb: mismatch
// naive: counts
module top_module(input clk, output [3:0] a, output [3:0] b, output [3:0] q);
  assign (supply1, supply0) a = 0;
  assign (supply1, supply0) b = 0;
  assign q = 0;
endmodule
