module mirror_checksum(
    input clk,
    input rst,
    input valid,
    input mirror,
    input [7:0] data,
    output reg [7:0] low,
    output reg [7:0] high,
    output equal
);
    wire [7:0] turned = {data[0], data[1], data[2], data[3], data[4], data[5], data[6], data[7]};
    wire [7:0] next_low, next_high;
    add_modulo_255 to_low(.a(low), .b(mirror ? turned : data), .sum(next_low));
    add_modulo_255 to_high(.a(high), .b(next_low), .sum(next_high));
    assign equal = low == high;
    always @(posedge clk)
        if (rst) begin
            low <= 8'd0;
            high <= 8'd0;
        end else if (valid) begin
            low <= next_low;
            high <= next_high;
        end
endmodule

module add_modulo_255(
    input [7:0] a,
    input [7:0] b,
    output [7:0] sum
);
    // 256 is 1 modulo 255: take 255 away by adding 1 and dropping the ninth bit.
    wire [8:0] plain = {1'b0, a} + {1'b0, b};
    wire [7:0] reduced = plain[7:0] + 8'd1;
    assign sum = (plain >= 9'd255) ? reduced : plain[7:0];
endmodule
