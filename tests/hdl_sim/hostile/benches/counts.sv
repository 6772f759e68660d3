// Counts: a reference in the testbench, both outputs compared at every edge of the clock, the counts printed at the end.
`timescale 1ps/1ps
`define CYCLES 50

module golden(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);
  always @(posedge clk) q <= a & b;
endmodule

module stimulus #(parameter CYCLES = `CYCLES) (input clk, output reg [3:0] a, output reg [3:0] b);
  initial {a, b} = 0;
  always @(negedge clk) {a, b} <= $random;
  initial begin
    repeat (CYCLES) @(posedge clk);
    #1 $finish;
  end
endmodule

module tb;
  reg clk = 0;
  wire [3:0] a, b, q_ref, q_dut;
  integer errors = 0, samples = 0;
  event done;
  always #5 clk = ~clk;

  stimulus stim(.clk(clk), .a(a), .b(b));
  golden good(.clk(clk), .a(a), .b(b), .q(q_ref));
  top_module dut(.clk(clk), .a(a), .b(b), .q(q_dut));

  // What the reference leaves unknown counts as equal.
  wire same = ~|((q_ref ^ q_dut) & ~{4{^q_ref === 1'bx}});
  always @(posedge clk, negedge clk) begin : compare
    samples = samples + 1;
    if (!same) errors = errors + 1;
  end
  final $display("Mismatches: %1d in %1d samples", errors, samples);
endmodule
