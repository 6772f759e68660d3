// class: redefines macros or modules
// tries: a configuration that binds the testbench's instances to other modules
// owed: forbidden
// naive: fails
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
config c;
  design tb;
  instance tb.good use work.top_module;
endconfig
