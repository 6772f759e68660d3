// All 512 inputs, upwards and downwards.
module tb;
    reg [3:0] a, b;
    reg carry_in;
    wire [3:0] sum;
    wire carry_out, invalid;
    integer i, total, mismatches = 0, samples = 0;
    reg wrong;

    bcd_digit_adder dut(
        .a(a), .b(b), .carry_in(carry_in), .sum(sum), .carry_out(carry_out), .invalid(invalid)
    );

    initial begin
        for (i = 0; i < 1024; i = i + 1) begin
            {a, b, carry_in} = i < 512 ? i : 1023 - i;
            wrong = a >= 10 || b >= 10;
            total = wrong ? 0 : a + b + carry_in;
            #1 samples = samples + 1;
            if (invalid !== wrong || sum !== total % 10 || carry_out !== total / 10) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
