// All inputs, against a list of the digits that light each segment.
module tb;
    reg [3:0] digit;
    reg blank, active_low;
    wire [6:0] segments;
    reg [15:0] lights [0:6];
    reg [6:0] want;
    integer i, k, mismatches = 0, samples = 0;

    seven_segment dut(.digit(digit), .blank(blank), .active_low(active_low), .segments(segments));

    initial begin
        //               FEDC_BA98_7654_3210
        lights[0] = 16'b1101_0111_1110_1101;
        lights[1] = 16'b0010_0111_1001_1111;
        lights[2] = 16'b0010_1111_1111_1011;
        lights[3] = 16'b0111_1011_0110_1101;
        lights[4] = 16'b1111_1101_0100_0101;
        lights[5] = 16'b1101_1111_0111_0001;
        lights[6] = 16'b1110_1111_0111_1100;
        for (i = 0; i < 128; i = i + 1) begin
            // An odd step visits all 64 inputs and changes many bits at once.
            {digit, blank, active_low} = i * 37;
            for (k = 0; k < 7; k = k + 1) want[k] = (lights[k][digit] && !blank) != active_low;
            #1 samples = samples + 1;
            if (segments !== want) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
