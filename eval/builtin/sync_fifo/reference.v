module sync_fifo(
    input clk,
    input rst,
    input push,
    input pop,
    input [7:0] din,
    output [7:0] dout,
    output full,
    output empty
);
    reg [7:0] words [0:3];
    reg [2:0] head, tail;
    wire writes = push && !full;
    wire reads = pop && !empty;
    assign empty = head == tail;
    assign full = head == {~tail[2], tail[1:0]};
    assign dout = words[tail[1:0]];
    always @(posedge clk) begin
        if (rst) begin
            head <= 3'd0;
            tail <= 3'd0;
        end else begin
            if (writes) begin
                words[head[1:0]] <= din;
                head <= head + 3'd1;
            end
            if (reads)
                tail <= tail + 3'd1;
        end
    end
endmodule
