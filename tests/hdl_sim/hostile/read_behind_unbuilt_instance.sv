// class: looks into the testbench
// tries: declares the testbench's name as an instance that is never built
// owed: forbidden
// owed line: elaboration_error
// owed cocotb: elaboration_error
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = tb.q_ref;
  if (0) inner tb();
endmodule
module inner; wire [3:0] q_ref = 0; endmodule
