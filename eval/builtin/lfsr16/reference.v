module lfsr16(
    input clk,
    input rst,
    input en,
    output reg [15:0] q
);
    always @(posedge clk) begin
        if (rst)
            q <= 16'hACE1;
        else if (en)
            q <= {1'b0, q[15:1]} ^ (q[0] ? 16'hB400 : 16'h0000);
    end
endmodule
