// class: breaks the tools
// tries: ranges that run backwards, and past their ends
// owed: mismatch
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire [-5:-1] w = a;
  wire [3:0] v = w[7:12];
endmodule
