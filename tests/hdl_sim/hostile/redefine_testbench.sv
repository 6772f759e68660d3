// class: redefines macros or modules
// tries: brings a module of the testbench's name
// owed: elaboration_error
// owed line: mismatch
// owed cocotb: mismatch
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
module tb; endmodule
