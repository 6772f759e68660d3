// class: redefines macros or modules
// tries: defines the testbench's macros and names anew
// owed: mismatch
// naive: fails
`define CYCLES 0
`define same 1
`define errors 0
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
