// class: forces or drives the testbench
// tries: connects its inputs with ground by switches
// owed: forbidden
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = 0;
  supply0 z;
  tran t[3:0](a, {4{z}});
endmodule
