// The model has one place on a round of sixteen: 0 to 5 are green, of which 5 may last; 6 amber, 8 walk, 13 clear.
module tb;
    reg clk = 0, rst, button, remembered;
    wire red, amber, green, walk;
    integer i, place, rate = 8, seed = 107, mismatches = 0, samples = 0;

    traffic_light dut(
        .clk(clk), .rst(rst), .button(button), .red(red), .amber(amber), .green(green), .walk(walk)
    );

    task check;
        begin
            samples = samples + 1;
            if ({green, amber, walk, red}
                !== {place < 6, place == 6 || place == 7, place >= 8 && place < 13, place >= 8})
                mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 8000; i = i + 1) begin
            // Presses are rare for a while, so that a single one decides, and frequent for a while.
            if (i % 256 == 0) rate = i % 1024 == 0 ? 1 : i % 512 == 0 ? 4 : 20;
            rst = i == 0 || $random(seed) % 128 == 0;
            button = $random(seed) % rate == 0;
            #4 if (i > 0) check;
            #1 clk = 1;
            if (rst) begin
                place = 0;
                remembered = 0;
            end else begin
                if (button && (place < 6 || place >= 13)) remembered = 1;
                if (place != 5) place = (place + 1) % 16;
                else if (remembered) begin
                    place = 6;
                    remembered = 0;
                end
            end
            #1 check;
            #1 button = ~button;
            #1 clk = 0;
            #1 check;
            #1 button = ~button;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
