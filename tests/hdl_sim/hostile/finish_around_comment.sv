// class: ends the simulation
// tries: a comment between the dollar sign and the name
// owed: forbidden
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial $/**/finish;
endmodule
