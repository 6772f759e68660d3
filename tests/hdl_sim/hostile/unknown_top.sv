// class: breaks the tools
// tries: a design of another name
// owed: elaboration_error
// naive: not run
module other(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
