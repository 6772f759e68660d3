module isqrt16(
    input clk,
    input rst,
    input in_valid,
    output in_ready,
    input [15:0] radicand,
    output reg out_valid,
    input out_ready,
    output reg [7:0] root,
    output reg [8:0] rest
);
    reg busy;
    reg [15:0] bits;
    reg [2:0] left;
    // One digit of the root for each pair of bits; before the last pair the rest is at most 254.
    wire [9:0] next = {rest[7:0], bits[15:14]};
    wire [9:0] trial = {root, 2'b01};
    wire fits = next >= trial;
    wire [9:0] less = next - trial;

    assign in_ready = !busy && !out_valid;

    always @(posedge clk) begin
        if (rst) begin
            busy <= 1'b0;
            out_valid <= 1'b0;
        end else if (busy) begin
            rest <= fits ? less[8:0] : next[8:0];
            root <= {root[6:0], fits};
            bits <= bits << 2;
            left <= left - 3'd1;
            if (left == 3'd0) begin
                busy <= 1'b0;
                out_valid <= 1'b1;
            end
        end else if (out_valid) begin
            if (out_ready)
                out_valid <= 1'b0;
        end else if (in_valid) begin
            busy <= 1'b1;
            bits <= radicand;
            root <= 8'd0;
            rest <= 9'd0;
            left <= 3'd7;
        end
    end
endmodule
