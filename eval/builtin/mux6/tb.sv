// Random words, every selection in changing orders: a latch for the selections 6 and 7 keeps an old word and is found.
module tb;
    reg [23:0] in;
    reg [2:0] sel;
    wire [3:0] y;
    reg [3:0] want;
    integer i, seed = 7, mismatches = 0, samples = 0;

    mux6 dut(.in(in), .sel(sel), .y(y));

    initial begin
        for (i = 0; i < 800; i = i + 1) begin
            in = $random(seed);
            sel = $random(seed);
            want = sel > 5 ? 4'd0 : in >> (4 * sel);
            #1 samples = samples + 1;
            if (y !== want) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
