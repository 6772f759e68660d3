// Products of many lengths, with pauses, interrupted work and sums that wrap; all sixteen sums are read when ready.
module tb;
    reg clk = 0, rst, start, valid;
    reg [31:0] a, b;
    reg [1:0] row = 0, column = 0;
    wire ready;
    wire signed [19:0] c;
    integer sums [0:15];
    integer i, j, k, left, quiet = 0, seed = 181, mismatches = 0, samples = 0;
    reg signed [7:0] x, y;
    reg signed [19:0] want;

    systolic_4x4 dut(
        .clk(clk), .rst(rst), .start(start), .valid(valid), .a(a), .b(b), .row(row), .column(column),
        .ready(ready), .c(c)
    );

    task look(input integer number);
        begin
            {row, column} = number;
            want = sums[number];
            #1 samples = samples + 1;
            if (ready !== (quiet >= 6)) mismatches = mismatches + 1;
            else if (quiet >= 6 && c !== want) mismatches = mismatches + 1;
        end
    endtask

    task check;
        for (j = 0; j < (quiet == 6 || quiet == 7 || quiet == 12 ? 16 : 1); j = j + 1) look((i + j) % 16);
    endtask

    // One clock cycle: nobody may see the glitches of the inputs before the edge.
    task cycle(input r, input s, input v, input known);
        begin
            {rst, start, valid} = {~r, ~s, ~v};
            #2 {rst, start, valid} = {r, s, v};
            #2 if (known) check;
            #4 clk = 1;
            if (r || s) quiet = 6;
            else if (v) quiet = 0;
            else quiet = quiet + 1;
            for (k = 0; k < 16; k = k + 1) begin
                x = a >> (8 * (k / 4));
                y = b >> (8 * (k % 4));
                if (r || s) sums[k] = 0;
                else if (v) sums[k] = sums[k] + x * y;
            end
            #1 check;
            {a, b} = {$random(seed), $random(seed)};
            #4 clk = 0;
            #1 ;
        end
    endtask

    initial begin
        {a, b} = {$random(seed), $random(seed)};
        cycle(1, 0, 1, 0);
        for (i = 0; i < 150; i = i + 1) begin
            for (left = 1 + {$random(seed)} % 7; left > 0; left = left - 1) begin
                cycle(0, 0, 1, 1);
                if ({$random(seed)} % 4 == 0) cycle(0, 0, 0, 1);
            end
            if (i == 40) begin
                // Long enough for the sums to leave 20 bits.
                for (left = 0; left < 40; left = left + 1) begin
                    a = 32'h807F_8080;
                    b = 32'h8080_7F80;
                    cycle(0, 0, 1, 1);
                end
            end
            for (left = {$random(seed)} % 4 == 0 ? {$random(seed)} % 7 : 8; left > 0; left = left - 1)
                cycle(0, 0, 0, 1);
            if (i % 8 < 5) cycle(i % 8 == 0, i % 8 != 0, i % 3 == 0, 1);
            if (i % 8 == 4) repeat (8) cycle(0, 0, 0, 1);
        end
        repeat (8) cycle(0, 0, 0, 1);
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
