// Every word, looked up in a table that is filled by encoding all data and flipping each bit in turn.
module tb;
    reg [11:0] code, word;
    reg [9:0] table_of [0:4095];
    reg [3:0] odd;
    wire [7:0] data;
    wire corrected, bad;
    integer i, bit_at, mismatches = 0, samples = 0;

    hamming_decoder dut(.code(code), .data(data), .corrected(corrected), .bad(bad));

    // The code word of i: the parity bits make the XOR of the positions of all its ones zero.
    task encode;
        begin
            word = {i[7:4], 1'b0, i[3:1], 1'b0, i[0], 2'b00};
            odd = 0;
            for (bit_at = 0; bit_at < 12; bit_at = bit_at + 1)
                if (word[bit_at]) odd = odd ^ (bit_at + 1);
            {word[7], word[3], word[1], word[0]} = odd;
        end
    endtask

    initial begin
        for (i = 0; i < 4096; i = i + 1) begin
            word = i;
            table_of[i] = {2'b01, word[11:8], word[6:4], word[2]};
        end
        for (i = 0; i < 256; i = i + 1) begin
            encode;
            table_of[word] = i;
            for (bit_at = 0; bit_at < 12; bit_at = bit_at + 1)
                table_of[word ^ (12'd1 << bit_at)] = {2'b10, i[7:0]};
        end
        for (i = 0; i < 4096; i = i + 1) begin
            code = i * 2741;
            #1 samples = samples + 1;
            if ({corrected, bad, data} !== table_of[code]) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
