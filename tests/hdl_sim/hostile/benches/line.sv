// Line: expected values in the testbench, one line at the end that says whether the design passed.
`timescale 1ns/1ps
`define CYCLES 40

module testbench;
  reg clk = 0;
  reg [3:0] a = 0, b = 0;
  wire [3:0] q;
  integer cycle, errors = 0;
  always #5 clk = ~clk;

  top_module uut(.clk(clk), .a(a), .b(b), .q(q));

  initial begin
    for (cycle = 0; cycle < `CYCLES; cycle = cycle + 1) begin
      @(negedge clk) {a, b} = $random;
      @(posedge clk) #1 if (q !== (a & b)) errors = errors + 1;
    end
    if (errors == 0) $display("===========Your Design Passed===========");
    else $display("===========%0d of %0d cycles failed===========", errors, `CYCLES);
    $finish;
  end
endmodule
