// class: exhausts memory
// tries: processes that each start two
// owed: runtime_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  task automatic t; fork #0 t; #0 t; join endtask
  initial t;
endmodule
