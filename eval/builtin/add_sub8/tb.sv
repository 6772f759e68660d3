// The corners of both number ranges in every combination, then random operands; the model counts in integers.
module tb;
    reg [7:0] a, b;
    reg sub;
    wire [7:0] result;
    wire carry, overflow;
    integer i, j, seed = 3, exact, unsigned_sum, mismatches = 0, samples = 0;

    add_sub8 dut(.a(a), .b(b), .sub(sub), .result(result), .carry(carry), .overflow(overflow));

    function [7:0] corner(input integer index);
        case (index)
            0: corner = 8'h00;
            1: corner = 8'h01;
            2: corner = 8'h7f;
            3: corner = 8'h80;
            4: corner = 8'h81;
            default: corner = 8'hff;
        endcase
    endfunction

    task check;
        begin
            #1 samples = samples + 1;
            exact = sub ? $signed(a) - $signed(b) : $signed(a) + $signed(b);
            unsigned_sum = sub ? a + 256 - b : a + b;
            if (result !== exact[7:0] || carry !== (unsigned_sum > 255) || overflow !== (exact > 127 || exact < -128))
                mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 6; i = i + 1)
            for (j = 0; j < 12; j = j + 1) begin
                a = corner(i);
                b = corner(j / 2);
                sub = j % 2;
                check;
            end
        for (i = 0; i < 3000; i = i + 1) begin
            {a, b, sub} = $random(seed);
            check;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
