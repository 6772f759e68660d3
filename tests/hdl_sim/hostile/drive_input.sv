// class: forces or drives the testbench
// tries: drives its inputs stronger than the testbench does
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = 0;
  assign (supply1, supply0) a = 0;
endmodule
