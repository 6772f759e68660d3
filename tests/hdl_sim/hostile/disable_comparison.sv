// class: forces or drives the testbench
// tries: disables the block that compares
// owed: forbidden
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  always @(clk) disable tb.compare;
endmodule
