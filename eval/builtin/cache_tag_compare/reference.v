module cache_tag_compare(
    input clk,
    input rst,
    input fill,
    input drop,
    input [2:0] index,
    input [5:0] tag,
    input [1:0] fill_way,
    output hit,
    output [1:0] hit_way,
    output has_free,
    output [1:0] free_way
);
    wire [3:0] match, invalid;

    assign hit = |match;
    assign has_free = |invalid;
    lowest_way first_hit(.ways(match), .way(hit_way));
    lowest_way first_free(.ways(invalid), .way(free_way));

    genvar number;
    generate
        for (number = 0; number < 4; number = number + 1) begin : way
            tag_way entries(
                .clk(clk), .rst(rst), .fill(fill && fill_way == number), .drop(drop && !fill),
                .index(index), .tag(tag), .match(match[number]), .invalid(invalid[number])
            );
        end
    endgenerate
endmodule

module tag_way(
    input clk,
    input rst,
    input fill,
    input drop,
    input [2:0] index,
    input [5:0] tag,
    output match,
    output invalid
);
    reg [5:0] tags [0:7];
    reg [7:0] valid;

    assign invalid = !valid[index];
    assign match = valid[index] && tags[index] == tag;

    always @(posedge clk) begin
        if (fill)
            tags[index] <= tag;
        if (rst)
            valid <= 8'd0;
        else if (fill)
            valid[index] <= 1'b1;
        else if (drop && match)
            valid[index] <= 1'b0;
    end
endmodule

module lowest_way(
    input [3:0] ways,
    output [1:0] way
);
    // Way 3 counts as the lowest only when it is there and no other is.
    assign way = ways[0] ? 2'd0 : ways[1] ? 2'd1 : ways[2] ? 2'd2 : {2{ways[3]}};
endmodule
