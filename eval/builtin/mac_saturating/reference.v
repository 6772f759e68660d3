module mac_saturating(
    input clk,
    input rst,
    input clear,
    input en,
    input signed [7:0] a,
    input signed [7:0] b,
    output reg signed [17:0] acc,
    output reg overflow
);
    wire signed [15:0] product = a * b;
    wire signed [18:0] sum = acc + product;
    wire outside = sum[18] != sum[17];

    always @(posedge clk) begin
        if (rst || clear) begin
            acc <= (en && !rst) ? product : 18'sd0;
            overflow <= 1'b0;
        end else if (en) begin
            acc <= outside ? {sum[18], {17{~sum[18]}}} : sum[17:0];
            if (outside)
                overflow <= 1'b1;
        end
    end
endmodule
