// class: breaks the tools
// tries: paths with delays longer than the test
// owed: mismatch
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  specify
    (clk *> q) = 1000;
  endspecify
endmodule
