module content_addressable_memory(
    input clk,
    input rst,
    input write,
    input [2:0] waddr,
    input [7:0] wkey,
    input [7:0] wmask,
    input wvalid,
    input search,
    input [7:0] skey,
    output reg done,
    output reg match,
    output reg multiple,
    output reg [2:0] index
);
    reg [7:0] keys [0:7];
    reg [7:0] masks [0:7];
    reg [7:0] valid;
    wire [7:0] hits;

    genvar number;
    generate
        for (number = 0; number < 8; number = number + 1) begin : entry
            assign hits[number] = valid[number] && ((keys[number] ^ skey) & masks[number]) == 8'd0;
        end
    endgenerate

    function [2:0] lowest(input [7:0] among);
        integer i;
        begin
            lowest = 3'd0;
            for (i = 7; i >= 0; i = i - 1)
                if (among[i])
                    lowest = i[2:0];
        end
    endfunction

    always @(posedge clk) begin
        if (write) begin
            keys[waddr] <= wkey;
            masks[waddr] <= wmask;
            valid[waddr] <= wvalid;
        end
        done <= search;
        match <= search && hits != 8'd0;
        multiple <= search && (hits & (hits - 8'd1)) != 8'd0;
        index <= search ? lowest(hits) : 3'd0;
        if (rst) begin
            valid <= 8'd0;
            {done, match, multiple, index} <= 6'd0;
        end
    end
endmodule
