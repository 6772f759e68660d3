// class: exhausts CPU at compile time
// tries: two modules that instantiate each other twice
// owed: elaboration_error
// naive: not run
module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;
  ping p();
endmodule
module ping; pong x(), y(); endmodule
module pong; ping x(), y(); endmodule
