// Every sum near the two limits and near 0, and random pairs.
module tb;
    reg signed [7:0] a, b;
    wire signed [7:0] sum;
    wire saturated;
    integer i, exact, want, seed = 103, mismatches = 0, samples = 0;

    saturating_adder8 dut(.a(a), .b(b), .sum(sum), .saturated(saturated));

    initial begin
        for (i = 0; i < 8000; i = i + 1) begin
            {a, b} = $random(seed);
            case (i % 4)
                0: b = 127 - a + {$random(seed)} % 7 - 3;
                1: b = -128 - a + {$random(seed)} % 7 - 3;
                2: if (i % 64 == 2) b = a;
                default: if (i % 64 == 3) b = -a;
            endcase
            exact = a;
            exact = exact + b;
            want = exact;
            if (exact > 127) want = 127;
            if (exact < -128) want = -128;
            #1 samples = samples + 1;
            if (sum !== want || saturated !== (want != exact)) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
