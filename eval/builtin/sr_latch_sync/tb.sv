// Random commands with seldom conflicts, and glitches of all inputs between the edges that nobody may see.
module tb;
    reg clk = 0, rst, set, clear, flag_want, conflict_want;
    wire flag, conflict;
    integer i, seed = 109, mismatches = 0, samples = 0;

    sr_latch_sync dut(.clk(clk), .rst(rst), .set(set), .clear(clear), .flag(flag), .conflict(conflict));

    task check;
        begin
            samples = samples + 1;
            if (flag !== flag_want || conflict !== conflict_want) mismatches = mismatches + 1;
        end
    endtask

    initial begin
        for (i = 0; i < 4000; i = i + 1) begin
            rst = i == 0 || {$random(seed)} % 24 == 0;
            {set, clear} = $random(seed);
            // Both at once only now and then, so that conflict is 0 for a while too.
            if (set && clear && {$random(seed)} % 4 != 0) clear = 0;
            #1 {rst, set, clear} = ~{rst, set, clear};
            #1 if (i > 0) check;
            #1 {rst, set, clear} = ~{rst, set, clear};
            #1 if (i > 0) check;
            #1 clk = 1;
            case ({rst, set, clear})
                3'b000: ;
                3'b001: flag_want = 0;
                3'b010: flag_want = 1;
                3'b011: {flag_want, conflict_want} = 2'b01;
                default: {flag_want, conflict_want} = 2'b00;
            endcase
            #1 check;
            #4 clk = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
