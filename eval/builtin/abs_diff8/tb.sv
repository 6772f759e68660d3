// Corners, near neighbours and random pairs, each as unsigned and as signed numbers.
module tb;
    reg [7:0] a, b;
    reg is_signed;
    wire [7:0] distance;
    wire less;
    integer i, x, y, gap, seed = 101, mismatches = 0, samples = 0;

    abs_diff8 dut(.a(a), .b(b), .is_signed(is_signed), .distance(distance), .less(less));

    function [7:0] corner(input [2:0] number);
        case (number)
            0: corner = 0;
            1: corner = 1;
            2: corner = 126;
            3: corner = 127;
            4: corner = 128;
            5: corner = 129;
            6: corner = 254;
            default: corner = 255;
        endcase
    endfunction

    initial begin
        for (i = 0; i < 9000; i = i + 1) begin
            {a, b} = $random(seed);
            is_signed = i;
            if (i < 128) begin
                a = corner(i / 2);
                b = corner(i / 16);
            end else if (i % 5 == 0)
                b = a + {$random(seed)} % 5 - 2;
            x = a;
            y = b;
            if (is_signed && x > 127) x = x - 256;
            if (is_signed && y > 127) y = y - 256;
            gap = x - y;
            #1 samples = samples + 1;
            if (less !== (gap < 0) || distance !== ((gap < 0) ? -gap : gap)) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
