module uart_transmitter_fifo(
    input clk,
    input rst,
    input write,
    input [7:0] data,
    output full,
    output [2:0] level,
    output tx,
    output busy
);
    wire [7:0] oldest;
    wire takes;
    queue4 queue(
        .clk(clk), .rst(rst), .write(write), .data(data), .remove(takes), .full(full), .level(level), .oldest(oldest)
    );
    sender sender(
        .clk(clk), .rst(rst), .offered(level != 3'd0), .data(oldest), .takes(takes), .tx(tx), .busy(busy)
    );
endmodule

module queue4(
    input clk,
    input rst,
    input write,
    input [7:0] data,
    input remove,
    output full,
    output [2:0] level,
    output [7:0] oldest
);
    reg [7:0] bytes [0:3];
    // One bit more than an address, so that full and empty differ.
    reg [2:0] head, tail;
    wire enters = write && !full;
    assign level = head - tail;
    assign full = level == 3'd4;
    assign oldest = bytes[tail[1:0]];
    always @(posedge clk) begin
        if (rst) begin
            head <= 3'd0;
            tail <= 3'd0;
        end else begin
            if (enters)
                head <= head + 3'd1;
            if (remove)
                tail <= tail + 3'd1;
        end
        if (enters)
            bytes[head[1:0]] <= data;
    end
endmodule

module sender(
    input clk,
    input rst,
    input offered,
    input [7:0] data,
    output takes,
    output tx,
    output reg busy
);
    reg [10:0] bits;
    reg [5:0] left;
    assign takes = offered && (!busy || left == 6'd0);
    assign tx = bits[0];
    always @(posedge clk)
        if (rst) begin
            busy <= 1'b0;
            bits <= 11'h7FF;
        end else if (takes) begin
            busy <= 1'b1;
            bits <= {1'b1, ^data, data, 1'b0};
            left <= 6'd43;
        end else if (busy) begin
            busy <= left != 6'd0;
            left <= left - 6'd1;
            if (left[1:0] == 2'd0)
                bits <= {1'b1, bits[10:1]};
        end
endmodule
