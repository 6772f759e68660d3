// class: forces or drives the testbench
// tries: releases what the testbench forces
// owed: forbidden
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial begin release tb.a; deassign tb.errors; end
endmodule
