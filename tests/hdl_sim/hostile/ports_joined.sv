// class: forces or drives the testbench
// tries: one net behind an input and the output
// owed: forbidden
// naive: counts
module top_module(.clk(clk), .a(n), .b(b), .q(n));
  input clk;
  inout [3:0] n;
  input [3:0] b;
  assign (supply1, supply0) n = 0;
endmodule
