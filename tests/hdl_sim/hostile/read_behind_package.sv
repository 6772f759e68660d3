// class: looks into the testbench
// tries: imports a structure of the testbench's name and members
// owed: forbidden
// owed line: no_result
// owed cocotb: mismatch
// naive: counts
package p;
  typedef struct packed { logic [3:0] q_ref; } t;
  t tb;
endpackage
module top_module import p::*; (input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = tb.q_ref;
endmodule
