// Kicks around the opening of the window and at its end; the model keeps the numbers of edges, not a state machine.
module tb;
    reg clk = 0, rst, en, kick;
    reg [3:0] opens = 8;
    wire early, late, open;
    integer i, now = 0, since = 0, verdict = 0, goal = 0, seed = 113, mismatches = 0, samples = 0;

    watchdog_timer dut(
        .clk(clk), .rst(rst), .en(en), .kick(kick), .opens(opens), .early(early), .late(late), .open(open)
    );

    task check;
        begin
            samples = samples + 1;
            if (early !== (verdict == 1) || late !== (verdict == 2)
                || open !== (verdict == 0 && now - since >= opens))
                mismatches = mismatches + 1;
        end
    endtask

    // What the edge does: `since` is the edge at which the age was 0; verdict 1 is too early, 2 too late.
    task model;
        begin
            if (rst) begin
                verdict = 0;
                since = now + 1;
            end else if (verdict == 0) begin
                if (!en) since = now + 1;
                else if (kick && now - since < opens) verdict = 1;
                else if (kick) since = now + 1;
                else if (now - since == 15) verdict = 2;
            end
            now = now + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 12000; i = i + 1) begin
            rst = i == 0 || (verdict != 0 ? $random(seed) % 8 == 0 : $random(seed) % 128 == 0);
            en = $random(seed) % 64 != 0;
            if ($random(seed) % 16 == 0) opens = $random(seed);
            // Kick at an age of one's choice, most often one near an end of the window.
            if (now == since)
                case ({$random(seed)} % 4)
                    0: goal = {$random(seed)} % 17;
                    1: goal = 15 + {$random(seed)} % 2;
                    2: goal = opens;
                    3: goal = opens - 1;
                endcase
            kick = now - since == goal || verdict != 0 && $random(seed) % 2;
            #4 if (i > 0) check;
            #1 clk = 1;
            model;
            #1 check;
            #1 kick = ~kick;
            #1 clk = 0;
            #1 check;
            #1 kick = ~kick;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
