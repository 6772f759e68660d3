// class: ends the simulation
// tries: an `else inside a string of a branch that is not taken
// owed: mismatch
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
`ifdef NOWHERE
  "`else initial $finish; //"
`endif
endmodule
