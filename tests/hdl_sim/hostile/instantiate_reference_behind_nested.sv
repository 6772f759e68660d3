// class: looks into the testbench
// tries: a module of the reference's name within its own
// owed: elaboration_error
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  module golden(input clk, input [3:0] a, b, output [3:0] q); assign q = 0; endmodule
  golden g(clk, a, b, q);
endmodule
