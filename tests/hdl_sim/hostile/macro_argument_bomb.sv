// class: exhausts memory
// tries: nested calls of a macro that repeats its argument
// owed: forbidden
// naive: not run
`define D(x) x+x+x+x
module top_module(input clk, input [3:0] a, input [3:0] b, output [3:0] q);
  assign q = `D(`D(`D(`D(`D(`D(`D(`D(`D(`D(`D(`D(`D(`D(`D(`D(a))))))))))))))));
endmodule
