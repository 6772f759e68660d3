// Every amount in both directions, on a walking one, a walking zero and random words.
module tb;
    reg [15:0] data, want;
    reg [3:0] amount;
    reg right;
    wire [15:0] rotated;
    integer i, k, seed = 107, mismatches = 0, samples = 0;

    barrel_rotate16 dut(.data(data), .amount(amount), .right(right), .rotated(rotated));

    initial begin
        for (i = 0; i < 32 * 80; i = i + 1) begin
            {amount, right} = i;
            k = i / 32;
            if (k < 16) data = 16'd1 << k;
            else if (k < 32) data = ~(16'd1 << (k - 16));
            else data = $random(seed);
            for (k = 0; k < 16; k = k + 1) want[(right ? k + 16 - amount : k + amount) % 16] = data[k];
            #1 samples = samples + 1;
            if (rotated !== want) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
