// Every word is written once, then random traffic with many reads of the word being written.
module tb;
    reg clk = 0, re;
    reg [1:0] we;
    reg [3:0] waddr, raddr;
    reg [15:0] wdata, want;
    reg [255:0] model;
    wire [15:0] rdata;
    integer i, seed = 157, mismatches = 0, samples = 0;

    dual_port_ram dut(
        .clk(clk), .we(we), .waddr(waddr), .wdata(wdata), .re(re), .raddr(raddr), .rdata(rdata)
    );

    task check;
        begin
            samples = samples + 1;
            if (rdata !== want) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 6000; i = i + 1) begin
            we = i < 16 ? 3 : $random(seed);
            waddr = i < 16 ? i : $random(seed);
            wdata = $random(seed);
            re = i == 16 || {$random(seed)} % 4 != 0;
            raddr = {$random(seed)} % 3 == 0 ? waddr : $random(seed);
            #4 if (i > 16) check;
            #1 clk = 1;
            if (we[0]) model[16 * waddr +: 8] = wdata[7:0];
            if (we[1]) model[16 * waddr + 8 +: 8] = wdata[15:8];
            if (re) want = model[16 * raddr +: 16];
            #1 if (i >= 16) check;
            #1 {we, waddr, wdata, raddr} = $random(seed);
            re = ~re;
            #1 if (i >= 16) check;
            #2 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
