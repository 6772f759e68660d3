// class: forces or drives the testbench
// tries: drives its inputs from a module below, by a port for both directions
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = 0;
  sink s(a);
endmodule
module sink(inout [3:0] p);
  assign (supply1, supply0) p = 0;
endmodule
