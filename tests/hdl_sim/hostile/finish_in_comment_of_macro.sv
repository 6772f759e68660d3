// class: ends the simulation
// tries: a comment that begins in a macro and ends there for Icarus, and lines later for others
// owed: mismatch
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
`define OPEN /*
  initial $finish;
// */
endmodule
