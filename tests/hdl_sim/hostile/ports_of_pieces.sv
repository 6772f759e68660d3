// class: forces or drives the testbench
// tries: drives the pieces of an input that has no name inside
// owed: forbidden
// naive: counts
module top_module(clk, .a({high, low}), b, q);
  input clk;
  input [1:0] high, low;
  input [3:0] b;
  output [3:0] q;
  assign (supply1, supply0) high = 0;
  assign (supply1, supply0) low = 0;
  assign q = 0;
endmodule
