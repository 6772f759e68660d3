// class: writes the host
// tries: stores a memory as a file
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  reg [7:0] m [0:1]; initial begin m[0] = 1; $writememh("@CANARY@", m); end
endmodule
