// class: exhausts memory
// tries: a queue that grows without end
// owed: runtime_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  int queue [$];
  initial forever begin queue.push_back(1); queue.push_back(2); end
endmodule
