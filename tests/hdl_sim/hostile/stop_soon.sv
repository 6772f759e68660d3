// class: ends the simulation
// tries: $stop, which a simulator run in batch mode takes for the end
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial #6 $stop;
endmodule
