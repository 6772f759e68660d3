module bcd_counter4(
    input clk,
    input rst,
    input load,
    input en,
    input up,
    input [15:0] d,
    output reg [15:0] digits,
    output reg wrap
);
    wire [3:0] last = up ? 4'd9 : 4'd0;
    reg [15:0] next;
    // Whether the digits below are all at their last value, so that the next one moves.
    reg moves;
    integer i;

    always @* begin
        next = digits;
        moves = 1'b1;
        for (i = 0; i < 16; i = i + 4)
            if (moves) begin
                moves = digits[i +: 4] == last;
                if (moves)
                    next[i +: 4] = 4'd9 - last;
                else if (up)
                    next[i +: 4] = digits[i +: 4] + 4'd1;
                else
                    next[i +: 4] = digits[i +: 4] - 4'd1;
            end
    end

    always @(posedge clk) begin
        wrap <= 1'b0;
        if (rst)
            digits <= 16'd0;
        else if (load)
            digits <= d;
        else if (en) begin
            digits <= next;
            wrap <= moves;
        end
    end
endmodule
