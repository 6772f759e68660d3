// Every input, in two orders, so that a design that remembers the last one is found.
module tb;
    reg [4:0] a;
    wire y;
    integer i, k, ones, mismatches = 0, samples = 0;

    majority5 dut(.a(a), .y(y));

    task check(input [4:0] value);
        begin
            a = value;
            ones = 0;
            for (k = 0; k < 5; k = k + 1) ones = ones + value[k];
            #1 samples = samples + 1;
            if (y !== (ones >= 3)) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 32; i = i + 1) check(i[4:0]);
        for (i = 0; i < 32; i = i + 1) check(5'd11 * i[4:0]);
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
