// class: exhausts CPU at compile time
// tries: loops within loops within loops
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  genvar i, j, k;
  for (i = 0; i < 1000; i = i + 1) for (j = 0; j < 1000; j = j + 1) for (k = 0; k < 1000; k = k + 1) begin : g wire w; end
endmodule
