// Random fills and drops with few tags, so that hits, duplicates and full sets are common; lookups between the edges.
module tb;
    reg clk = 0, rst, fill, drop;
    reg [2:0] index;
    reg [5:0] tag;
    reg [1:0] fill_way;
    wire hit, has_free;
    wire [1:0] hit_way, free_way;
    // What each entry holds, -1 for invalid.
    integer held [0:31];
    integer i, k, found, unused, seed = 167, mismatches = 0, samples = 0;
    reg [5:0] base;

    cache_tag_compare dut(
        .clk(clk), .rst(rst), .fill(fill), .drop(drop), .index(index), .tag(tag), .fill_way(fill_way),
        .hit(hit), .hit_way(hit_way), .has_free(has_free), .free_way(free_way)
    );

    task check;
        begin
            samples = samples + 1;
            found = -1;
            unused = -1;
            for (k = 3; k >= 0; k = k - 1) begin
                if (held[4 * index + k] == tag) found = k;
                if (held[4 * index + k] < 0) unused = k;
            end
            if (hit !== (found >= 0) || hit_way !== (found >= 0 ? found : 0) || has_free !== (unused >= 0)
                || free_way !== (unused >= 0 ? unused : 0)) mismatches = mismatches + 1;
        end
    endtask

    task pick;
        begin
            index = $random(seed);
            // A tag that the set holds, one that differs from it by a bit, or any.
            tag = held[4 * index + {$random(seed)} % 4];
            case ({$random(seed)} % 4)
                0: tag = tag ^ (1 << {$random(seed)} % 6);
                1: tag = $random(seed);
                default: ;
            endcase
        end
    endtask

    initial begin
        for (i = 0; i < 32; i = i + 1) held[i] = 0;
        for (i = 0; i < 4000; i = i + 1) begin
            pick;
            rst = i == 0 || {$random(seed)} % 150 == 0;
            fill = {$random(seed)} % 2;
            drop = {$random(seed)} % 3 == 0;
            fill_way = $random(seed);
            #1 {rst, fill, drop} = ~{rst, fill, drop};
            #1 if (i > 0) check;
            #1 {rst, fill, drop} = ~{rst, fill, drop};
            #1 if (i > 0) check;
            #1 clk = 1;
            for (k = 0; k < 32; k = k + 1)
                if (rst || (!fill && drop && k / 4 == index && held[k] == tag)) held[k] = -1;
            if (fill && !rst) held[4 * index + fill_way] = tag;
            #1 check;
            #1 pick;
            fill_way = $random(seed);
            #1 check;
            #1 clk = 0;
            #1 pick;
            #1 check;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
