// class: exhausts CPU at compile time
// tries: a recursive constant function with 2^60 steps
// owed: timeout
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  function automatic integer f(input integer n); f = n < 2 ? n : f(n - 1) + f(n - 2); endfunction
  localparam X = f(60);
endmodule
