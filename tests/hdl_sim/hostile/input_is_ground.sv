// class: forces or drives the testbench
// tries: declares its input as a net that is always 0
// owed: forbidden
// naive: counts
module top_module(input clk, input supply0 [3:0] a, input [3:0] b, output [3:0] q);
  assign q = 0;
endmodule
