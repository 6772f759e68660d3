// class: reads the host
// tries: loads a file as a memory
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  reg [7:0] m [0:99]; initial begin $readmemh("@CANARY@", m); $display("%h", m[0]); end
endmodule
