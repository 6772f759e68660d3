// class: breaks the tools
// tries: a primitive whose table contradicts itself
// owed: mismatch
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire w;
  u x(w, clk);
endmodule
primitive u(o, i);
  output o; input i;
  table 0 : 1; 0 : 0; endtable
endprimitive
