// class: confuses the lexer
// tries: the quote by which a macro makes a string
// owed: syntax_error
// naive: not run
`define Q(x) `"x`"
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  localparam S = `Q(a;
endmodule
