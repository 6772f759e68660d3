// Every register is written once, then random traffic; both ports are read before and after every edge.
module tb;
    reg clk = 0, we;
    reg [2:0] waddr, raddr0, raddr1;
    reg [7:0] wdata;
    reg [7:0] model [0:7];
    wire [7:0] rdata0, rdata1;
    integer i, seed = 37, mismatches = 0, samples = 0;

    register_file dut(
        .clk(clk), .we(we), .waddr(waddr), .wdata(wdata),
        .raddr0(raddr0), .raddr1(raddr1), .rdata0(rdata0), .rdata1(rdata1)
    );

    task check;
        begin
            samples = samples + 1;
            if (rdata0 !== model[raddr0] || rdata1 !== model[raddr1]) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 3008; i = i + 1) begin
            we = i < 8 || $random(seed) % 2;
            waddr = i < 8 ? i : $random(seed);
            {wdata, raddr0, raddr1} = $random(seed);
            if (i % 4 == 0) raddr0 = waddr;
            #4 if (i >= 8) check;
            #1 clk = 1;
            if (we) model[waddr] = waddr == 0 ? 8'd0 : wdata;
            #1 if (i >= 8) check;
            #1 raddr1 = ~raddr1;
            #1 if (i >= 8) check;
            #2 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
