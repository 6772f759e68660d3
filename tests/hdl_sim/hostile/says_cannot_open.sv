// class: breaks the tools
// tries: gets the compiler to say that a file cannot be opened
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  wire [{a, "Unable to open input file"}:0] w;
endmodule
