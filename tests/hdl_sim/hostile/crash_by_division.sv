// class: breaks the tools
// tries: divides by zero in a constant
// owed: mismatch
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  localparam X = 1 / 0;
endmodule
