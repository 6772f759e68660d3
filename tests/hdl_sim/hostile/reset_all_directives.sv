// class: redefines macros or modules
// tries: directives that would change how the testbench is read
// owed: mismatch
// naive: fails
`resetall
`default_nettype none
`unconnected_drive pull1
`celldefine
module top_module(input wire clk, input wire [3:0] a, input wire [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a | b;

endmodule
`endcelldefine
