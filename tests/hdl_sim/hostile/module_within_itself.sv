// class: exhausts CPU at compile time
// tries: a module that instantiates itself
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  top_module again(clk, a, b, );
endmodule
