// class: ends the simulation
// tries: a carriage return that ends a comment for one tool only
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  // harmless  initial $finish;
endmodule
