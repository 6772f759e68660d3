// class: exhausts memory
// tries: a vector of 2^30 bits
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  reg [1073741823:0] v = 0;
  always @(posedge clk) v <= v + a;
endmodule
