module fixed_fir4(
    input clk,
    input rst,
    input en,
    input signed [7:0] x,
    output reg signed [7:0] y,
    output reg limited
);
    reg signed [7:0] x1, x2, x3;
    // Sixteen bits are enough: the coefficients' magnitudes sum up to 163.
    wire signed [15:0] sum = -16'sd11 * x + 16'sd45 * x1 + 16'sd77 * x2 + 16'sd30 * x3 + 16'sd64;
    wire outside = sum[15] != sum[14];

    always @(posedge clk) begin
        if (rst) begin
            x1 <= 8'sd0;
            x2 <= 8'sd0;
            x3 <= 8'sd0;
            y <= 8'sd0;
            limited <= 1'b0;
        end else if (en) begin
            x1 <= x;
            x2 <= x1;
            x3 <= x2;
            limited <= outside;
            y <= outside ? {sum[15], {7{~sum[15]}}} : sum[14:7];
        end
    end
endmodule
