module async_fifo(
    input rst,
    input wclk,
    input push,
    input [7:0] din,
    output full,
    output [3:0] level,
    input rclk,
    input pop,
    output [7:0] dout,
    output empty
);
    reg [7:0] words [0:7];
    wire [3:0] head, head_gray, head_seen, tail, tail_gray, tail_seen, tail_known;
    wire pushes = push && !full;

    gray_counter head_counter(.rst(rst), .clk(wclk), .en(pushes), .count(head), .gray(head_gray));
    gray_counter tail_counter(.rst(rst), .clk(rclk), .en(pop && !empty), .count(tail), .gray(tail_gray));
    two_flip_flops head_to_read(.rst(rst), .clk(rclk), .in(head_gray), .out(head_seen));
    two_flip_flops tail_to_write(.rst(rst), .clk(wclk), .in(tail_gray), .out(tail_seen));
    gray_to_binary tail_decoder(.gray(tail_seen), .binary(tail_known));

    assign empty = head_seen == tail_gray;
    // The counts go round after sixteen, so that a lead of eight is no lead of none.
    assign level = head - tail_known;
    assign full = level == 4'd8;
    assign dout = words[tail[2:0]];

    always @(posedge wclk)
        if (pushes)
            words[head[2:0]] <= din;
endmodule

module gray_counter(
    input rst,
    input clk,
    input en,
    output reg [3:0] count,
    output reg [3:0] gray
);
    wire [3:0] next = count + 4'd1;

    always @(posedge clk or posedge rst)
        if (rst) begin
            count <= 4'd0;
            gray <= 4'd0;
        end else if (en) begin
            count <= next;
            gray <= next ^ (next >> 1);
        end
endmodule

module two_flip_flops(
    input rst,
    input clk,
    input [3:0] in,
    output reg [3:0] out
);
    reg [3:0] first;

    always @(posedge clk or posedge rst)
        if (rst) begin
            first <= 4'd0;
            out <= 4'd0;
        end else begin
            first <= in;
            out <= first;
        end
endmodule

module gray_to_binary(
    input [3:0] gray,
    output [3:0] binary
);
    assign binary = gray ^ (gray >> 1) ^ (gray >> 2) ^ (gray >> 3);
endmodule
