// class: redefines macros or modules
// tries: a precision that could make the testbench's delays overflow
// owed: mismatch
// naive: fails
`timescale 1fs/1fs
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
