// class: confuses the lexer
// tries: a comment that would swallow what follows it
// owed: syntax_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  /* open
endmodule
