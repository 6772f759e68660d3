// class: exhausts CPU at compile time
// tries: a constant function that never returns
// owed: timeout
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  function integer f(input integer x); begin f = 0; while (1) f = ~f; end endfunction
  localparam X = f(1);
endmodule
