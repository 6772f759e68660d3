// Bursts of interrupts that nest; the model keeps the lines that are served on a stack and looks for lines in a loop.
module tb;
    reg clk = 0, rst, mask_write, ack, finish, is_ready;
    reg [7:0] irq = 0, last, mask_data, waiting, mask, served;
    wire [7:0] pending, in_service;
    wire interrupt;
    wire [2:0] vector;
    integer stack [0:7];
    integer i, k, line, depth = 0, mode, seed = 193, mismatches = 0, samples = 0;

    interrupt_controller dut(
        .clk(clk), .rst(rst), .irq(irq), .mask_write(mask_write), .mask_data(mask_data), .ack(ack), .finish(finish),
        .pending(pending), .in_service(in_service), .interrupt(interrupt), .vector(vector)
    );

    // The line that is ready, if there is one: the search ends at the line on top of the stack.
    task find;
        begin
            is_ready = 0;
            line = 0;
            for (k = 7; k >= 0; k = k - 1)
                if (waiting[k] && mask[k] && (depth == 0 || k < stack[depth - 1])) begin
                    is_ready = 1;
                    line = k;
                end
            served = 0;
            for (k = 0; k < depth; k = k + 1) served[stack[k]] = 1;
        end
    endtask

    task check;
        begin
            find;
            samples = samples + 1;
            if (pending !== waiting || in_service !== served || interrupt !== is_ready || vector !== line)
                mismatches = mismatches + 1;
        end
    endtask

    task model;
        begin
            find;
            if (finish && depth > 0) depth = depth - 1;
            if (ack && is_ready) begin
                waiting[line] = 0;
                stack[depth] = line;
                depth = depth + 1;
            end
            for (k = 0; k < 8; k = k + 1) if (irq[k] && !last[k]) waiting[k] = 1;
            if (mask_write) mask = mask_data;
            if (rst) begin
                depth = 0;
                waiting = 0;
                mask = 0;
            end
            last = irq;
        end
    endtask

    initial begin
        for (i = 0; i < 8000; i = i + 1) begin
            if (i % 100 == 0) mode = i / 100 % 4;
            rst = i == 0 || $random(seed) % 128 == 0;
            irq = irq ^ ($random(seed) & $random(seed) & (mode == 0 ? 8'hFF : $random(seed) & $random(seed)));
            mask_write = $random(seed) % 16 == 0;
            mask_data = $random(seed) | $random(seed);
            ack = $random(seed) % 2;
            finish = mode == 1 ? $random(seed) % 16 == 0 : $random(seed) % 3 == 0;
            // Now and then the line that is served rises again at the same edge.
            if (i > 0 && $random(seed) % 4 == 0) begin
                find;
                if (is_ready && !last[line]) irq[line] = 1;
            end
            #4 if (i > 0) check;
            #1 clk = 1;
            model;
            #1 check;
            #1 irq = ~irq;
            ack = ~ack;
            #1 clk = 0;
            #1 check;
            #1 irq = ~irq;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
