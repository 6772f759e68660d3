// All 256 requests, upwards and downwards.
module tb;
    reg [7:0] request;
    wire [2:0] index;
    wire valid;
    reg [2:0] want;
    integer i, k, mismatches = 0, samples = 0;

    priority_encoder8 dut(.request(request), .index(index), .valid(valid));

    initial begin
        for (i = 0; i < 512; i = i + 1) begin
            request = i < 256 ? i : 511 - i;
            want = 0;
            for (k = 0; k < 8; k = k + 1) if (request >= (1 << k)) want = k;
            #1 samples = samples + 1;
            if (index !== want || valid !== (request != 0)) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
