// class: reads the host
// tries: imports a function of the C library
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  import "DPI-C" function int getenv(string s);
endmodule
