// class: exhausts memory
// tries: 2^28 copies of a signal
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire [268435455:0] w = {268435456{a[0]}};
endmodule
