// class: breaks the tools
// tries: timing checks, which print by themselves
// owed: forbidden
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  specify
    $setup(a, posedge clk, 10);
    (clk => q) = 1;
  endspecify
endmodule
