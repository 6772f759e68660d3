module systolic_4x4(
    input clk,
    input rst,
    input start,
    input valid,
    input [31:0] a,
    input [31:0] b,
    input [1:0] row,
    input [1:0] column,
    output ready,
    output signed [19:0] c
);
    wire clear = rst || start;
    // Bit k is 1 when a slice was taken k edges before the coming one; the cells on diagonal k add then.
    wire [6:0] taken;
    reg [6:1] way;
    // Operands between the cells: number 5 * i + j lies to the left of cell (i, j), number 4 * i + j above it.
    wire [7:0] right [0:19];
    wire [7:0] down [0:19];
    wire signed [19:0] sums [0:15];

    assign taken = {way, valid};
    assign ready = way == 6'd0;
    assign c = sums[{row, column}];

    always @(posedge clk)
        way <= clear ? 6'd0 : taken[5:0];

    genvar i, j;
    generate
        for (i = 0; i < 4; i = i + 1) begin : line
            delay #(i) to_row(.clk(clk), .in(a[8 * i +: 8]), .out(right[5 * i]));
            delay #(i) to_column(.clk(clk), .in(b[8 * i +: 8]), .out(down[i]));
            for (j = 0; j < 4; j = j + 1) begin : cells
                cell_of_array one(
                    .clk(clk), .clear(clear), .en(taken[i + j]), .left(right[5 * i + j]), .above(down[4 * i + j]),
                    .right(right[5 * i + j + 1]), .below(down[4 * i + j + 4]), .sum(sums[4 * i + j])
                );
            end
        end
    endgenerate
endmodule

module cell_of_array(
    input clk,
    input clear,
    input en,
    input signed [7:0] left,
    input signed [7:0] above,
    output reg [7:0] right,
    output reg [7:0] below,
    output reg signed [19:0] sum
);
    always @(posedge clk) begin
        right <= left;
        below <= above;
        if (clear)
            sum <= 20'sd0;
        else if (en)
            sum <= sum + left * above;
    end
endmodule

// Operands of line i enter i edges later, so that they meet the operands of the other side.
module delay #(
    parameter EDGES = 0
) (
    input clk,
    input [7:0] in,
    output [7:0] out
);
    generate
        if (EDGES == 0) begin : none
            assign out = in;
        end else begin : some
            reg [8 * EDGES - 1:0] held;
            assign out = held[8 * EDGES - 1 -: 8];
            always @(posedge clk)
                held <= {held, in};
        end
    endgenerate
endmodule
