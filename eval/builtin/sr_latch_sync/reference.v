module sr_latch_sync(
    input clk,
    input rst,
    input set,
    input clear,
    output reg flag,
    output reg conflict
);
    always @(posedge clk) begin
        if (rst) begin
            flag <= 1'b0;
            conflict <= 1'b0;
        end else begin
            if (clear)
                flag <= 1'b0;
            else if (set)
                flag <= 1'b1;
            if (set && clear)
                conflict <= 1'b1;
        end
    end
endmodule
