// class: exhausts memory
// tries: a function that calls itself without end
// owed: runtime_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  function automatic integer f(input integer n); f = f(n + 1) + 1; endfunction
  integer x;
  initial x = f(0);
endmodule
