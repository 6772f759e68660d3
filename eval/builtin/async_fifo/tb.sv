// Two clocks in changing proportion, one edge of one clock at a time; the model counts pushes and pops, and what each
// side may know of the other's at the earliest and must know at the latest.
module tb;
    reg rst = 0, wclk = 0, push = 0, rclk = 0, pop = 0;
    reg [7:0] din = 0;
    wire [7:0] dout;
    wire [3:0] level;
    wire full, empty;
    reg [7:0] words [0:8191];
    integer pushed = 0, popped = 0;
    // pushes[k]: how many pushes there were before the k-th latest edge of rclk; pops[k]: so for pops and wclk.
    integer pushes [1:4];
    integer pops [1:4];
    integer i, k, ratio, share, seed = 211, mismatches = 0, samples = 0;
    reg accepted;

    async_fifo dut(
        .rst(rst), .wclk(wclk), .push(push), .din(din), .full(full), .level(level),
        .rclk(rclk), .pop(pop), .dout(dout), .empty(empty)
    );

    task check;
        begin
            samples = samples + 1;
            if (^level === 1'bx || full !== (level == 8) || (empty !== 0 && empty !== 1)) mismatches = mismatches + 1;
            else if (level < pushed - pops[2] || level > pushed - pops[4]) mismatches = mismatches + 1;
            else if (!empty && pushes[2] <= popped || empty && pushes[4] > popped) mismatches = mismatches + 1;
            else if (!empty && dout !== words[popped]) mismatches = mismatches + 1;
        end
    endtask

    // Neither level nor empty may change but at an edge of its own clock.
    reg [3:0] level_before;
    reg empty_before;
    task same(input level_too, input empty_too);
        begin
            check;
            if ((level_too && level !== level_before) || (empty_too && empty !== empty_before))
                mismatches = mismatches + 1;
        end
    endtask

    task write_edge;
        begin
            {level_before, empty_before} = {level, empty};
            accepted = push && full === 0;
            for (k = 4; k > 1; k = k - 1) pops[k] = pops[k - 1];
            pops[1] = popped;
            if (accepted) begin
                words[pushed] = din;
                pushed = pushed + 1;
            end
            wclk = 1;
            #1 same(0, 1);
            level_before = level;
            {push, din} = {~push, ~din};
            #1 same(1, 1);
            wclk = 0;
            #1 same(1, 1);
        end
    endtask

    task read_edge;
        begin
            {level_before, empty_before} = {level, empty};
            accepted = pop && empty === 0;
            for (k = 4; k > 1; k = k - 1) pushes[k] = pushes[k - 1];
            pushes[1] = pushed;
            if (accepted) popped = popped + 1;
            rclk = 1;
            #1 same(1, 0);
            empty_before = empty;
            pop = ~pop;
            #1 same(1, 1);
            rclk = 0;
            #1 same(1, 1);
        end
    endtask

    // A reset of no edge at all, or of some, and the quiet edges that must follow it.
    task reset(input integer edges);
        begin
            {push, pop} = 0;
            #1 rst = 1;
            {pushed, popped} = 0;
            for (k = 1; k <= 4; k = k + 1) {pushes[k], pops[k]} = 0;
            #1 check;
            for (i = 0; i < edges + 8; i = i + 1) begin
                if (i == edges) begin
                    #1 rst = 0;
                    #1 check;
                end
                #1 {push, pop} = 0;
                #1 check;
                if (i % 2) begin
                    wclk = 1;
                    #1 check;
                    wclk = 0;
                end else begin
                    rclk = 1;
                    #1 check;
                    rclk = 0;
                end
                #1 check;
            end
        end
    endtask

    task traffic(input integer edges);
        for (i = 0; i < edges; i = i + 1) begin
            push = {$random(seed)} % 100 < share;
            pop = {$random(seed)} % 100 < 100 - share;
            din = $random(seed);
            #2 check;
            if ({$random(seed)} % 10 < ratio) write_edge;
            else read_edge;
        end
    endtask

    integer round;
    initial begin
        for (round = 0; round < 40; round = round + 1) begin
            reset(round % 3 * 3);
            for (share = 15; share <= 100; share = share + 35) begin
                ratio = 1 + 2 * ({$random(seed)} % 5);
                traffic(60);
            end
            share = 0;
            ratio = 4;
            // Some rounds end with words left inside, others empty.
            if (round % 2) traffic(30);
        end
        // Both sides always ready.
        ratio = 5;
        reset(2);
        for (round = 0; round < 600; round = round + 1) begin
            {push, pop} = 3;
            din = $random(seed);
            #2 check;
            if (round % 3 == 0) read_edge;
            else write_edge;
            {push, pop} = 3;
            #2 check;
            if (round % 7 != 0) read_edge;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
