// class: ends the simulation
// tries: a macro parameter at the start of a longer name, left empty
// owed: forbidden
// naive: fails
`define CALL(x) x$finish
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial `CALL();
endmodule
