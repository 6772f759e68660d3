// class: ends the simulation
// tries: a system name made of two pieces by a macro
// owed: forbidden
// naive: counts
`define JOIN(x, y) x``y
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial `JOIN($fin, ish);
endmodule
