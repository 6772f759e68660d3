// class: looks into the testbench
// tries: uses the testbench's reference as a part of its own
// owed: elaboration_error
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  golden g(.clk(clk), .a(a), .b(b), .q(q));
endmodule
