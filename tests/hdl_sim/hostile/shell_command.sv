// class: writes the host
// tries: runs a command
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial $system("echo overwritten > @CANARY@");
endmodule
