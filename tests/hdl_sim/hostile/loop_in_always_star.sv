// class: exhausts CPU at run time
// tries: a combinational block that waits for what it changes itself
// owed: timeout
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  integer i;
  always @* begin i = 0; while (a !== 4'bz) i = i + 1; end
endmodule
