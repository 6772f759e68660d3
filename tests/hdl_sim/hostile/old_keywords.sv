// class: redefines macros or modules
// tries: lets newer keywords be names
// owed: mismatch
// naive: fails
`begin_keywords "1364-1995"
module top_module(clk, a, b, q);
  input clk;
  input [3:0] a, b;
  output [3:0] q;
  reg [3:0] q, logic;
  always @(posedge clk) begin logic = a | b; q <= logic; end
endmodule
`end_keywords
