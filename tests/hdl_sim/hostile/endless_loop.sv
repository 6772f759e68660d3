// class: exhausts CPU at run time
// tries: a loop without a delay
// owed: timeout
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial forever ;
endmodule
