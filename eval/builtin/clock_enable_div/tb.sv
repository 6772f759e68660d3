// Long enabled runs, random pauses and resets; the inputs are turned over between the edges, which nobody may see.
module tb;
    reg clk = 0, rst, en, want;
    wire tick;
    integer i, counted = 0, seed = 113, mismatches = 0, samples = 0;

    clock_enable_div dut(.clk(clk), .rst(rst), .en(en), .tick(tick));

    task check;
        begin
            samples = samples + 1;
            if (tick !== want) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 5000; i = i + 1) begin
            rst = i == 0 || (i > 40 && {$random(seed)} % 32 == 0);
            en = i / 64 % 2 == 0 || {$random(seed)} % 2;
            #1 {rst, en} = ~{rst, en};
            #1 if (i > 0) check;
            #1 {rst, en} = ~{rst, en};
            #1 if (i > 0) check;
            #1 clk = 1;
            if (rst) counted = 0;
            else counted = counted + en;
            want = !rst && en && counted > 0 && counted % 6 == 0;
            #1 check;
            #4 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
