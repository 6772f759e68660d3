// class: looks into the testbench
// tries: declares the testbench's name as the label of a branch that is never built
// owed: forbidden
// owed line: elaboration_error
// owed cocotb: elaboration_error
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = tb.good.q;
  if (0) begin : tb if (1) begin : good reg [3:0] q; end end
endmodule
