// class: reads the host
// tries: says that its text comes from another file
// owed: forbidden
// naive: not run
`line 1 "tb.sv" 0
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
