// Random starts, also early and back to back, on corners and random factors; a model counts the edges.
module tb;
    reg clk = 0, rst, start;
    reg signed [7:0] a, b;
    wire busy, done;
    wire signed [15:0] product;
    integer i, left = 0, seed = 127, mismatches = 0, samples = 0;
    integer next_product = 0, want_product = 0;
    reg known = 0, want_done = 0;

    booth_multiplier8 dut(
        .clk(clk), .rst(rst), .start(start), .a(a), .b(b), .busy(busy), .done(done), .product(product)
    );

    task check;
        begin
            samples = samples + 1;
            if (busy !== (left != 0) || done !== want_done) mismatches = mismatches + 1;
            else if (known && product !== want_product) mismatches = mismatches + 1;
        end
    endtask

    function [7:0] factor(input [4:0] number);
        case (number)
            0: factor = 8'h80;
            1: factor = 8'h81;
            2: factor = 8'hFF;
            3: factor = 8'h00;
            4: factor = 8'h01;
            5: factor = 8'h7F;
            default: factor = $random(seed);
        endcase
    endfunction

    initial begin
        for (i = 0; i < 8000; i = i + 1) begin
            rst = i == 0 || {$random(seed)} % 64 == 0;
            // By turns: nearly always asked, seldom asked.
            start = {$random(seed)} % (i / 100 % 2 ? 12 : 1) == 0;
            a = factor({$random(seed)} % 24);
            b = factor({$random(seed)} % 24);
            #1 {rst, start} = ~{rst, start};
            #1 if (i > 0) check;
            #1 {rst, start} = ~{rst, start};
            #1 if (i > 0) check;
            #1 clk = 1;
            want_done = 0;
            if (rst) begin
                left = 0;
                known = 0;
            end else if (left > 0) begin
                left = left - 1;
                want_done = left == 0;
                if (left == 0) begin
                    known = 1;
                    want_product = next_product;
                end
            end else if (start) begin
                left = 4;
                known = 0;
                next_product = a;
                next_product = next_product * b;
            end
            #1 check;
            #1 {a, b} = $random(seed);
            #1 check;
            #2 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
