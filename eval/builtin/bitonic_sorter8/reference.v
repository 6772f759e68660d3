module bitonic_sorter8(
    input clk,
    input rst,
    input en,
    input in_valid,
    input descend,
    input [63:0] words,
    output out_valid,
    output [63:0] sorted
);
    wire [63:0] after1, after2, after3, after4, after5, up;
    reg [5:0] valid, down;
    // Runs of two, of four, and of eight, every other one downwards but for the last.
    layer #(.DISTANCE(1), .RUN(2)) layer1(.clk(clk), .en(en), .in(words), .out(after1));
    layer #(.DISTANCE(2), .RUN(4)) layer2(.clk(clk), .en(en), .in(after1), .out(after2));
    layer #(.DISTANCE(1), .RUN(4)) layer3(.clk(clk), .en(en), .in(after2), .out(after3));
    layer #(.DISTANCE(4), .RUN(8)) layer4(.clk(clk), .en(en), .in(after3), .out(after4));
    layer #(.DISTANCE(2), .RUN(8)) layer5(.clk(clk), .en(en), .in(after4), .out(after5));
    layer #(.DISTANCE(1), .RUN(8)) layer6(.clk(clk), .en(en), .in(after5), .out(up));
    assign out_valid = valid[5];
    wire [63:0] turned = {up[7:0], up[15:8], up[23:16], up[31:24], up[39:32], up[47:40], up[55:48], up[63:56]};
    assign sorted = down[5] ? turned : up;
    always @(posedge clk) begin
        if (rst)
            valid <= 6'd0;
        else if (en)
            valid <= {valid[4:0], in_valid};
        if (en)
            down <= {down[4:0], descend};
    end
endmodule

module layer #(parameter DISTANCE = 1, RUN = 2)(
    input clk,
    input en,
    input [63:0] in,
    output reg [63:0] out
);
    integer i;
    always @(posedge clk)
        if (en)
            for (i = 0; i < 8; i = i + 1)
                if ((i & DISTANCE) == 0) begin
                    if ((in[8 * i +: 8] > in[8 * (i + DISTANCE) +: 8]) == ((i & RUN) == 0)) begin
                        out[8 * i +: 8] <= in[8 * (i + DISTANCE) +: 8];
                        out[8 * (i + DISTANCE) +: 8] <= in[8 * i +: 8];
                    end else begin
                        out[8 * i +: 8] <= in[8 * i +: 8];
                        out[8 * (i + DISTANCE) +: 8] <= in[8 * (i + DISTANCE) +: 8];
                    end
                end
endmodule
