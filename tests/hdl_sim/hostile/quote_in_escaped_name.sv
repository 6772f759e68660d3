// class: confuses the lexer
// tries: an escaped name in which one tool sees the start of a string
// owed: forbidden
// naive: not run
`define OUT */ initial ; /*
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire \x" ; /*
`OUT
  */
endmodule
