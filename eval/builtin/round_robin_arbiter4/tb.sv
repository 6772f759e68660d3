// Random requests that also change within a cycle; the model walks round the requesters until it meets one that asks.
module tb;
    reg clk = 0, rst, take;
    reg [3:0] request;
    wire [3:0] grant;
    integer i, turn, favoured, seed = 103, mismatches = 0, samples = 0;

    round_robin_arbiter4 dut(.clk(clk), .rst(rst), .take(take), .request(request), .grant(grant));

    task choose;
        begin
            turn = favoured;
            if (request != 0)
                while (!request[turn]) turn = turn == 3 ? 0 : turn + 1;
        end
    endtask

    task check;
        begin
            choose;
            samples = samples + 1;
            if (grant !== (request == 0 ? 0 : 1 << turn)) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 4000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 32 == 0;
            take = $random(seed) % 4 != 0;
            request = $random(seed);
            if (i % 8 == 7) request = 4'd1 << request[1:0];
            #3 if (i > 0) check;
            #1 request = i % 3 == 0 ? ~request : request;
            #1 if (i > 0) check;
            #1 choose;
            clk = 1;
            if (rst) favoured = 0;
            else if (take && request != 0) favoured = (turn + 1) % 4;
            #1 check;
            #1 request = request + 1;
            #1 check;
            #1 clk = 0;
            #1 check;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
