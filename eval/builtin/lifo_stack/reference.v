module lifo_stack(
    input clk,
    input rst,
    input push,
    input pop,
    input [7:0] din,
    output [7:0] dout,
    output empty,
    output full,
    output reg overflow,
    output reg underflow
);
    reg [7:0] words [0:5];
    reg [2:0] count;
    wire [2:0] top = count - 3'd1;

    assign empty = count == 3'd0;
    assign full = count == 3'd6;
    assign dout = words[top];

    always @(posedge clk) begin
        if (rst) begin
            count <= 3'd0;
            overflow <= 1'b0;
            underflow <= 1'b0;
        end else if (push) begin
            if (pop && !empty)
                words[top] <= din;
            else if (full)
                overflow <= 1'b1;
            else begin
                words[count] <= din;
                count <= count + 3'd1;
            end
        end else if (pop) begin
            if (empty)
                underflow <= 1'b1;
            else
                count <= top;
        end
    end
endmodule
