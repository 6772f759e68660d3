// class: breaks the tools
// tries: gets the compiler to say that the disk is full
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire [{a, "No space left on device"}:0] w;
endmodule
