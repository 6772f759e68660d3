// class: ends the simulation
// tries: $finish within a function that an assignment calls
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = f(a);
  function [3:0] f(input [3:0] x); begin f = x; $finish; end endfunction
endmodule
