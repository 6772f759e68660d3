// Two clocks whose edges come in random order, at changing speeds; the model counts down the edges that are to come.
module tb;
    reg rst_n = 1, clk_a = 0, clk_b = 0, send = 0, is_busy = 0, is_valid = 0, known = 0;
    reg [3:0] word = 0, taken, want;
    wire busy, valid;
    wire [3:0] q;
    integer i, speed, to_valid = 0, to_free = 0, seed = 131, mismatches = 0, samples = 0;

    handshake_synchroniser dut(
        .rst_n(rst_n), .clk_a(clk_a), .send(send), .word(word), .busy(busy), .clk_b(clk_b), .valid(valid), .q(q)
    );

    task check;
        begin
            samples = samples + 1;
            if (busy !== is_busy || valid !== is_valid || (known && q !== want)) mismatches = mismatches + 1;
        end
    endtask

    task reset;
        begin
            is_busy = 0;
            is_valid = 0;
            known = 0;
            to_valid = 0;
            to_free = 0;
        end
    endtask

    task edge_a;
        begin
            clk_a = 1;
            if (is_busy) begin
                if (to_free == 1) is_busy = 0;
                if (to_free > 0) to_free = to_free - 1;
            end else if (send && rst_n) begin
                is_busy = 1;
                taken = word;
                to_valid = 2;
            end
        end
    endtask

    task edge_b;
        begin
            clk_b = 1;
            is_valid = to_valid == 1;
            if (is_valid) begin
                want = taken;
                known = 1;
                to_free = 2;
            end
            if (to_valid > 0) to_valid = to_valid - 1;
        end
    endtask

    initial begin
        #1 rst_n = 0;
        #1 check;
        #1 rst_n = 1;
        for (i = 0; i < 16000; i = i + 1) begin
            if (i % 500 == 0) speed = 1 + {$random(seed)} % 15;
            #1 send = $random(seed) % 4 == 0;
            word = $random(seed);
            if ($random(seed) % 256 == 0) begin
                rst_n = 0;
                reset;
            end else rst_n = rst_n || $random(seed) % 2;
            #1 check;
            #1 if ({$random(seed)} % 16 < speed) begin
                if (clk_a) clk_a = 0;
                else edge_a;
            end else begin
                if (clk_b) clk_b = 0;
                else edge_b;
            end
            #1 check;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
