// class: forces or drives the testbench
// tries: a parameter of the stimulus: no cycle is run
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  defparam tb.stim.CYCLES = 0;
endmodule
