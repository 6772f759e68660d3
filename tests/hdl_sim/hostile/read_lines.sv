// class: reads the host
// tries: reads a file line by line and prints it
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  integer f; reg [8*80:1] line;
  initial begin f = $fopen("@CANARY@", "r"); while ($fgets(line, f)) $display("%0s", line); end
endmodule
