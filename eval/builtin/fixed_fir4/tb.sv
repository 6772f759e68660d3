// Impulses, full-scale runs and noise; the model sums over a history in 32-bit numbers.
module tb;
    reg clk = 0, rst, en, want_limited;
    reg signed [7:0] x, want;
    wire signed [7:0] y;
    wire limited;
    integer taken [0:3];
    integer i, level, sum, seed = 139, mismatches = 0, samples = 0;

    fixed_fir4 dut(.clk(clk), .rst(rst), .en(en), .x(x), .y(y), .limited(limited));

    task check;
        begin
            samples = samples + 1;
            if (y !== want || limited !== want_limited) mismatches = mismatches + 1;
        end
    endtask

    task take;
        begin
            taken[3] = taken[2];
            taken[2] = taken[1];
            taken[1] = taken[0];
            taken[0] = x;
            sum = 77 * taken[2] + 45 * taken[1] + 30 * taken[3] - 11 * taken[0] + 64;
            // Verilog divides towards zero.
            level = sum >= 0 ? sum / 128 : -((127 - sum) / 128);
            want_limited = level > 127 || level < -128;
            want = level > 127 ? 127 : level < -128 ? -128 : level;
        end
    endtask

    initial begin
        for (i = 0; i < 6000; i = i + 1) begin
            rst = i == 0 || {$random(seed)} % 50 == 0;
            en = {$random(seed)} % 5 != 0;
            case (i / 200 % 4)
                0: x = {$random(seed)} % 5 == 0 ? 127 : 0;
                1: x = {$random(seed)} % 3 == 0 ? -128 : 127;
                2: x = (i / 7 % 2) ? -128 + {$random(seed)} % 4 : 127 - {$random(seed)} % 4;
                default: x = $random(seed);
            endcase
            #1 {rst, en} = ~{rst, en};
            #1 if (i > 0) check;
            #1 {rst, en} = ~{rst, en};
            #1 if (i > 0) check;
            #1 clk = 1;
            if (rst) begin
                taken[0] = 0;
                taken[1] = 0;
                taken[2] = 0;
                taken[3] = 0;
                want = 0;
                want_limited = 0;
            end else if (en) take;
            #1 check;
            #1 x = ~x;
            #1 check;
            #2 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
