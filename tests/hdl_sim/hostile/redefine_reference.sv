// class: redefines macros or modules
// tries: brings a module of the reference's name
// owed: elaboration_error
// owed line: mismatch
// owed cocotb: mismatch
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
module golden(input clk, input [3:0] a, b, output [3:0] q);
  assign q = a | b;
endmodule
