// Two rounds, then random enables; the reset also comes and goes between two edges.
module tb;
    reg clk = 0, rst_n, en;
    reg [3:0] count;
    wire [3:0] q;
    integer i, seed = 5, mismatches = 0, samples = 0;

    gray_counter4 dut(.clk(clk), .rst_n(rst_n), .en(en), .q(q));

    task check;
        begin
            samples = samples + 1;
            if (q !== (count ^ {1'b0, count[3:1]})) mismatches = mismatches + 1;
        end
    endtask

    task cycle(input enable, input reset_between);
        begin
            en = enable;
            if (reset_between) begin
                #1 rst_n = 0;
                count = 0;
                #1 check;
                #1 rst_n = 1;
                #1 check;
            end else #4 check;
            #1 clk = 1;
            if (enable && rst_n) count = count + 1;
            #1 check;
            #4 clk = 0;
        end
    endtask

    initial begin
        rst_n = 0;
        count = 0;
        #1 check;
        cycle(1, 0);
        rst_n = 1;
        for (i = 0; i < 33; i = i + 1) cycle(1, 0);
        for (i = 0; i < 1500; i = i + 1) cycle($random(seed), $random(seed) % 32 == 0);
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
