// Groups with equal and with near words, zeros and ones in all mixtures; the model ranks words and counts edges.
module tb;
    reg clk = 0, rst, en, in_valid, descend;
    reg [63:0] words;
    wire out_valid;
    wire [63:0] sorted;
    reg [64:0] due [0:8191];
    reg [63:0] ranked;
    integer i, j, k, rank, edges = 5, seed = 239, mismatches = 0, samples = 0;

    bitonic_sorter8 dut(
        .clk(clk), .rst(rst), .en(en), .in_valid(in_valid), .descend(descend), .words(words),
        .out_valid(out_valid), .sorted(sorted)
    );

    task check;
        begin
            samples = samples + 1;
            if (out_valid !== due[edges][64] || (due[edges][64] && sorted !== due[edges][63:0]))
                mismatches = mismatches + 1;
        end
    endtask

    // A word's place is the number of words that come before it.
    task sort;
        for (j = 0; j < 8; j = j + 1) begin
            rank = 0;
            for (k = 0; k < 8; k = k + 1)
                if (words[8 * k +: 8] < words[8 * j +: 8] || (words[8 * k +: 8] == words[8 * j +: 8] && k < j))
                    rank = rank + 1;
            ranked[8 * (descend ? 7 - rank : rank) +: 8] = words[8 * j +: 8];
        end
    endtask

    initial begin
        for (i = 0; i < 3000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 128 == 0;
            en = $random(seed) % 4 != 0;
            in_valid = $random(seed) % 4 != 0;
            descend = $random(seed);
            words = {$random(seed), $random(seed)};
            if (i % 4 == 1) words = words & 64'h0303030303030303;
            if (i % 4 == 2) for (k = 0; k < 8; k = k + 1) words[8 * k +: 8] = {8{words[k]}};
            if (i % 4 == 3) words = words | 64'hFCFCFCFCFCFCFCFC;
            #4 if (i > 0) check;
            #1 clk = 1;
            if (en) begin
                edges = edges + 1;
                sort;
                due[edges + 5] = {in_valid, ranked};
            end
            if (rst) for (k = 0; k <= 5; k = k + 1) due[edges + k] = 0;
            #1 check;
            #1 words = ~words;
            #1 clk = 0;
            #1 check;
            #1 en = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
