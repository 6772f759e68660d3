// class: floods output
// tries: an assertion without text that fails without end
// owed: runtime_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial forever #0 assert (0);
endmodule
