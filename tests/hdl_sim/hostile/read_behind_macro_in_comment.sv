// class: looks into the testbench
// tries: a macro that Icarus would expand inside an escaped name
// owed: forbidden
// naive: fails
`define PEEK foo; assign q = tb.q_ref; //
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  wire \`PEEK ;
endmodule
