// class: exhausts CPU at run time
// tries: a signal that toggles without time going on
// owed: timeout
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  reg t = 0;
  initial forever #0 t = ~t;
endmodule
