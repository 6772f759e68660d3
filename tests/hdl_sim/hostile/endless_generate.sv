// class: exhausts CPU at compile time
// tries: a generate loop that never ends
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  genvar i;
  for (i = 0; i >= 0; i = i + 0) begin : g wire w; end
endmodule
