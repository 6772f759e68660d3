// Runs of random length around four edges, and glitches between two edges that nobody may see.
module tb;
    reg clk = 0, rst, in, want;
    wire out;
    integer i, left = 0, row = 0, seed = 31, mismatches = 0, samples = 0;

    debouncer dut(.clk(clk), .rst(rst), .in(in), .out(out));

    task check;
        begin
            samples = samples + 1;
            if (out !== want) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        in = 0;
        for (i = 0; i < 6000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 128 == 0;
            if (left == 0) begin
                in = ~in;
                left = 1 + {$random(seed)} % 7;
            end
            left = left - 1;
            #2 in = ~in;
            #1 in = ~in;
            #1 if (i > 0) check;
            #1 clk = 1;
            if (rst) begin
                want = 0;
                row = 0;
            end else begin
                row = in == want ? 0 : row + 1;
                if (row == 4) begin
                    want = in;
                    row = 0;
                end
            end
            #1 check;
            #4 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
