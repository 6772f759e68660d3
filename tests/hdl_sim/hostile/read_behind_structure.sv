// class: looks into the testbench
// tries: declares a structure of the testbench's name and members
// owed: forbidden
// owed line: no_result
// owed cocotb: mismatch
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = tb.good.q;
  struct packed { struct packed { logic [3:0] q; } good; } tb;
endmodule
