// Every address in turn, then random ones, with the address changed between the edges too; the model is one long word.
module tb;
    localparam [127:0] BYTES = 128'hCB75_0E83_D429_60FF_16B8_4DE2_5C07_913A;
    reg clk = 0, en;
    reg [3:0] addr;
    reg [7:0] want;
    wire [7:0] data;
    integer i, seed = 101, mismatches = 0, samples = 0;

    rom_lookup dut(.clk(clk), .en(en), .addr(addr), .data(data));

    task check;
        begin
            samples = samples + 1;
            if (data !== want) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 1000; i = i + 1) begin
            en = i < 16 || $random(seed) % 2;
            addr = i < 16 ? i : $random(seed);
            #4 if (i > 0) check;
            #1 clk = 1;
            if (en) want = BYTES >> 8 * addr;
            #1 check;
            #1 addr = ~addr;
            #1 check;
            #1 clk = 0;
            #1 check;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
