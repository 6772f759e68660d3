// A whole round, then random controls. Checked before the edge too: the register must wait for it, carry must not.
module tb;
    reg clk = 0, rst, en, load;
    reg [3:0] d, model;
    wire [3:0] q;
    wire carry;
    integer i, seed = 11, mismatches = 0, samples = 0;

    decade_counter dut(.clk(clk), .rst(rst), .en(en), .load(load), .d(d), .q(q), .carry(carry));

    task check;
        begin
            samples = samples + 1;
            if (q !== model || carry !== (model == 9 && en && !load)) mismatches = mismatches + 1;
        end
    endtask

    task cycle(input r, input e, input l, input [3:0] value, input known);
        begin
            {rst, en, load, d} = {r, e, l, value};
            #4 if (known) check;
            #1 clk = 1;
            if (r) model = 0;
            else if (l) model = value > 9 ? 9 : value;
            else if (e) model = (model + 1) % 10;
            #1 check;
            #4 clk = 0;
        end
    endtask

    initial begin
        cycle(1, 0, 0, 0, 0);
        for (i = 0; i < 25; i = i + 1) cycle(0, 1, 0, 5, 1);
        cycle(1, 1, 1, 7, 1);
        for (i = 0; i < 2000; i = i + 1)
            cycle($random(seed) % 16 == 0, $random(seed) % 4 != 0, $random(seed) % 4 == 0, $random(seed), 1);
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
