// Loads at random cycles, of short periods most often, so that they also fall on the edge between two periods.
module tb;
    reg clk = 0, rst, load;
    reg [5:0] period, duty;
    wire pwm, first;
    integer i, age = 0, p = 0, d = 0, shadow_p = 0, shadow_d = 0, seed = 127, mismatches = 0, samples = 0;

    pwm_generator dut(
        .clk(clk), .rst(rst), .load(load), .period(period), .duty(duty), .pwm(pwm), .first(first)
    );

    task check;
        begin
            samples = samples + 1;
            if (pwm !== (age < d) || first !== (age == 0)) mismatches = mismatches + 1;
        end
    endtask

    task model;
        begin
            age = age + 1;
            if (age > p) begin
                age = 0;
                p = shadow_p;
                d = shadow_d;
            end
            if (load) begin
                shadow_p = period;
                shadow_d = duty;
            end
            if (rst) begin
                age = 0;
                p = 0;
                d = 0;
                shadow_p = 0;
                shadow_d = 0;
            end
        end
    endtask

    initial begin
        for (i = 0; i < 12000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 256 == 0;
            load = $random(seed) % 8 == 0;
            {period, duty} = $random(seed);
            if (i / 1500 % 2 == 0) {period[5:3], duty[5:3]} = 0;
            if (i / 1500 % 4 == 3) load = $random(seed) % 64 == 0;
            #4 if (i > 0) check;
            #1 clk = 1;
            model;
            #1 check;
            #1 load = ~load;
            #1 clk = 0;
            #1 check;
            #1 load = ~load;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
