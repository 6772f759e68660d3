// class: ends the simulation
// tries: a system task of Icarus that ends with an exit status of choice
// owed: forbidden
// naive: counts
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  initial $finish_and_return(0);
endmodule
