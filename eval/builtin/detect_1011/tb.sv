// The model keeps the last four bits since the reset; half of the bits follow the pattern, so that it is often met.
module tb;
    reg clk = 0, rst, valid, in;
    reg [3:0] bits;
    reg want;
    wire found;
    integer i, taken = 0, seed = 29, mismatches = 0, samples = 0;

    detect_1011 dut(.clk(clk), .rst(rst), .valid(valid), .in(in), .found(found));

    task check;
        begin
            samples = samples + 1;
            if (found !== want) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 6000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 64 == 0;
            valid = $random(seed) % 4 != 0;
            in = $random(seed) % 2 ? $random(seed) : bits[2:0] != 3'b110 && bits[1:0] != 2'b01;
            #4 if (i > 0) check;
            #1 clk = 1;
            want = 0;
            if (rst) taken = 0;
            else if (valid) begin
                bits = {bits[2:0], in};
                taken = taken + 1;
                want = taken >= 4 && bits == 4'b1011;
            end
            #1 check;
            #4 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
