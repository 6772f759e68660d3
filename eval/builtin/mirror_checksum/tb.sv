// Random bytes, and bytes chosen to bring a sum to 254, 255 or 256; the model adds without bounds and divides.
module tb;
    reg clk = 0, rst, valid, mirror;
    reg [7:0] data, seen;
    wire [7:0] low, high;
    wire equal;
    integer i, k, sum = 0, sums = 0, seed = 157, mismatches = 0, samples = 0;

    mirror_checksum dut(
        .clk(clk), .rst(rst), .valid(valid), .mirror(mirror), .data(data), .low(low), .high(high), .equal(equal)
    );

    task check;
        begin
            samples = samples + 1;
            if (low !== sum % 255 || high !== sums % 255 || equal !== (sum % 255 == sums % 255))
                mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 6000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 64 == 0;
            valid = $random(seed) % 4 != 0;
            mirror = $random(seed);
            data = $random(seed);
            if (i % 4 == 0) data = 254 + {$random(seed)} % 3 - sum % 255;
            if (i % 4 == 1) data = 509 + {$random(seed)} % 3 - (sum + sums) % 255;
            for (k = 0; k < 8; k = k + 1) seen[k] = data[7 - k];
            if (i % 4 < 2 && mirror) data = seen;
            for (k = 0; k < 8; k = k + 1) seen[k] = mirror ? data[7 - k] : data[k];
            #4 if (i > 0) check;
            #1 clk = 1;
            if (rst) begin
                sum = 0;
                sums = 0;
            end else if (valid) begin
                sum = sum + seen;
                sums = sums + sum % 255;
            end
            #1 check;
            #1 data = ~data;
            #1 clk = 0;
            #1 check;
            #1 valid = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
