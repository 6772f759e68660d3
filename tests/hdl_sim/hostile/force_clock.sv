// class: forces or drives the testbench
// tries: stops the clock, so that nothing is ever compared
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial force tb.clk = 0;
endmodule
