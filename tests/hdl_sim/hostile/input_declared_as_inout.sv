// class: forces or drives the testbench
// tries: calls its inputs ports for both directions, and drives them
// owed: forbidden
// owed line: elaboration_error
// owed cocotb: mismatch
// naive: counts
module top_module(input clk, inout [3:0] a, input [3:0] b, output [3:0] q);
  assign a = 4'bx;
  assign q = 0;
endmodule
