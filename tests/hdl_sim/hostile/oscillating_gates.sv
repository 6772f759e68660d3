// class: exhausts CPU at run time
// tries: a ring of gates that never settles
// owed: timeout
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire r;
  reg start = 0;
  nand (r, r, start);
  initial #1 start = 1;
endmodule
