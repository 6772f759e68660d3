module debouncer(
    input clk,
    input rst,
    input in,
    output reg out
);
    reg [1:0] differing;
    always @(posedge clk) begin
        if (rst) begin
            out <= 1'b0;
            differing <= 2'd0;
        end else if (in == out)
            differing <= 2'd0;
        else if (differing == 2'd3) begin
            out <= in;
            differing <= 2'd0;
        end else
            differing <= differing + 2'd1;
    end
endmodule
