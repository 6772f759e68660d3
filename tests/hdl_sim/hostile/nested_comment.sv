// class: confuses the lexer
// tries: a comment within a comment
// owed: syntax_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  /* /* */ initial ; */
endmodule
