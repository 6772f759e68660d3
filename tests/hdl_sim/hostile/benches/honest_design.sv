module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
    always @(posedge clk) q <= a & b;
endmodule
