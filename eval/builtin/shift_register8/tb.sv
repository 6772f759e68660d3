// Random modes with few resets; the register must not move before the edge, and the reset must wait for it.
module tb;
    reg clk = 0, rst, serial_in;
    reg [1:0] mode;
    reg [7:0] d, model;
    wire [7:0] q;
    integer i, seed = 17, mismatches = 0, samples = 0;

    shift_register8 dut(.clk(clk), .rst(rst), .mode(mode), .serial_in(serial_in), .d(d), .q(q));

    task check;
        begin
            samples = samples + 1;
            if (q !== model) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 3000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 32 == 0;
            {mode, serial_in, d} = $random(seed);
            #4 if (i > 0) check;
            #1 clk = 1;
            if (rst) model = 0;
            else if (mode == 1) model = {serial_in, model[7:1]};
            else if (mode == 2) model = {model[6:0], serial_in};
            else if (mode == 3) model = d;
            #1 check;
            #4 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
