// A wheel that turns one way for long, then wavers, and now and then jumps; the model works with its angle.
module tb;
    reg clk = 0, rst, a, b, home, clear, is_up, is_error;
    reg [7:0] at;
    wire [7:0] position;
    wire up, error;
    integer i, angle = 0, last = 0, step, mood = 0, seed = 167, mismatches = 0, samples = 0;

    quadrature_decoder dut(
        .clk(clk), .rst(rst), .a(a), .b(b), .home(home), .clear(clear), .position(position), .up(up), .error(error)
    );

    task check;
        begin
            samples = samples + 1;
            if (position !== at || up !== is_up || error !== is_error) mismatches = mismatches + 1;
        end
    endtask

    // `angle % 4` is the place of the pair in the sequence 00, 01, 11, 10.
    task model;
        begin
            step = (angle - last + 4) % 4;
            last = angle;
            if (clear || rst) is_error = 0;
            if (rst) begin
                at = 0;
                is_up = 0;
            end else begin
                if (step == 1) at = at + 1;
                if (step == 3) at = at - 1;
                if (step == 2) is_error = 1;
                if (step % 2 == 1) is_up = step == 1;
                if (home) at = 0;
            end
        end
    endtask

    initial begin
        for (i = 0; i < 8000; i = i + 1) begin
            if (i % 400 == 0) mood = i / 400 % 4;
            rst = i == 0 || (mood > 1 && $random(seed) % 64 == 0);
            home = mood > 1 && $random(seed) % 32 == 0;
            clear = $random(seed) % 8 == 0;
            step = mood == 0 ? 1 : mood == 1 ? 3 : {$random(seed)} % 4;
            if ($random(seed) % 64 == 0) step = {$random(seed)} % 4;
            angle = (angle + step) % 4;
            a = angle >= 2;
            b = angle == 1 || angle == 2;
            #4 if (i > 0) check;
            #1 clk = 1;
            model;
            #1 check;
            #1 a = ~a;
            #1 clk = 0;
            #1 check;
            #1 a = ~a;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
