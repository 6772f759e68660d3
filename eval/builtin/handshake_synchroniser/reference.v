module handshake_synchroniser(
    input rst_n,
    input clk_a,
    input send,
    input [3:0] word,
    output busy,
    input clk_b,
    output valid,
    output reg [3:0] q
);
    // A word is announced by a change of request, which travels to the other side and comes back.
    reg request, answer1, answer2;
    reg [3:0] held;
    reg seen1, seen2, seen3;
    assign busy = request != answer2;
    assign valid = seen2 != seen3;
    always @(posedge clk_a or negedge rst_n)
        if (!rst_n) begin
            request <= 1'b0;
            answer1 <= 1'b0;
            answer2 <= 1'b0;
        end else begin
            answer1 <= seen2;
            answer2 <= answer1;
            if (send && !busy)
                request <= ~request;
        end
    always @(posedge clk_a)
        if (send && !busy)
            held <= word;
    always @(posedge clk_b or negedge rst_n)
        if (!rst_n) begin
            seen1 <= 1'b0;
            seen2 <= 1'b0;
            seen3 <= 1'b0;
        end else begin
            seen1 <= request;
            seen2 <= seen1;
            seen3 <= seen2;
        end
    always @(posedge clk_b)
        if (seen1 != seen2)
            q <= held;
endmodule
