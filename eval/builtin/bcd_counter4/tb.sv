// Counts a whole number modulo 10000; loads numbers close to the places where digits carry.
module tb;
    reg clk = 0, rst, load, en, up, want_wrap;
    reg [15:0] d;
    wire [15:0] digits;
    wire wrap;
    integer i, count, number, seed = 149, mismatches = 0, samples = 0;

    bcd_counter4 dut(
        .clk(clk), .rst(rst), .load(load), .en(en), .up(up), .d(d), .digits(digits), .wrap(wrap)
    );

    task check;
        begin
            samples = samples + 1;
            if (digits[3:0] !== count % 10 || digits[7:4] !== count / 10 % 10 || digits[11:8] !== count / 100 % 10
                || digits[15:12] !== count / 1000 || wrap !== want_wrap) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 12000; i = i + 1) begin
            rst = i == 0 || {$random(seed)} % 200 == 0;
            load = {$random(seed)} % 20 == 0;
            en = {$random(seed)} % 8 != 0;
            up = i / 40 % 2 ? $random(seed) : i / 80;
            number = {$random(seed)} % 10000;
            case ({$random(seed)} % 5)
                0: number = number / 1000 * 1000 + {$random(seed)} % 5;
                1: number = number / 100 * 100 + {$random(seed)} % 5;
                2: number = 9998 + {$random(seed)} % 2;
                3: number = {$random(seed)} % 4;
                default: ;
            endcase
            d = number / 1000 * 4096 + number / 100 % 10 * 256 + number / 10 % 10 * 16 + number % 10;
            #1 {rst, load, en} = ~{rst, load, en};
            #1 if (i > 0) check;
            #1 {rst, load, en} = ~{rst, load, en};
            #1 if (i > 0) check;
            #1 clk = 1;
            want_wrap = 0;
            if (rst) count = 0;
            else if (load) count = number;
            else if (en) begin
                want_wrap = count == (up ? 9999 : 0);
                count = (count + (up ? 1 : 9999)) % 10000;
            end
            #1 check;
            #4 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
