// class: confuses the lexer
// tries: bytes that are no UTF-8
// owed: mismatch
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  // @BYTES@
endmodule
