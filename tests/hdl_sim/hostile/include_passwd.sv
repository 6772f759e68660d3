// class: reads the host
// tries: includes a file of the host
// owed: forbidden
// naive: not run
`include "/etc/passwd"
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
