// The model is a table of bits, not the formula: bit i follows bit i+1, and the taps 15, 13, 12, 10 add the lost bit.
module tb;
    reg clk = 0, rst, en;
    reg [15:0] model, old;
    wire [15:0] q;
    integer i, k, seed = 23, mismatches = 0, samples = 0;

    lfsr16 dut(.clk(clk), .rst(rst), .en(en), .q(q));

    task check;
        begin
            samples = samples + 1;
            if (q !== model) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 3000; i = i + 1) begin
            rst = i == 0 || (i > 1000 && $random(seed) % 64 == 0);
            en = $random(seed) % 8 != 0;
            #4 if (i > 0) check;
            #1 clk = 1;
            old = model;
            if (rst) model = 16'hACE1;
            else if (en)
                for (k = 0; k < 16; k = k + 1)
                    model[k] = (k < 15 ? old[k + 1] : 1'b0) ^ ((k == 15 || k == 13 || k == 12 || k == 10) & old[0]);
            #1 check;
            #4 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
