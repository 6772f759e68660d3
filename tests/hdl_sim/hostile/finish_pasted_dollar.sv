// class: ends the simulation
// tries: a dollar sign in front of a macro that spells the rest
// owed: forbidden
// naive: counts
`define REST finish
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial $`REST;
endmodule
