// class: exhausts memory
// tries: a memory of 800 MB
// owed: runtime_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  reg [63:0] m [0:99999999];
  always @(posedge clk) m[a] <= b;
endmodule
