module clock_enable_div(
    input clk,
    input rst,
    input en,
    output reg tick
);
    reg [2:0] left;
    always @(posedge clk) begin
        tick <= 1'b0;
        if (rst)
            left <= 3'd5;
        else if (en) begin
            left <= left - 3'd1;
            if (left == 3'd0) begin
                left <= 3'd5;
                tick <= 1'b1;
            end
        end
    end
endmodule
