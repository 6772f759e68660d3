// class: confuses the lexer
// tries: a form feed, which ends a name for some
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire \x;
endmodule
