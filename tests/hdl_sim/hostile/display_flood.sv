// class: floods output
// tries: prints without end
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial forever $display("%0d%0d%0d%0d", 1, 2, 3, 4);
endmodule
