// class: exhausts memory
// tries: arrays of instances within arrays of instances
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  l1 x[999:0]();
endmodule
module l1; l2 x[999:0](); endmodule
module l2; l3 x[999:0](); endmodule
module l3; wire w; endmodule
