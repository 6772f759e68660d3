module serial_multiplier(
    input clk,
    input rst,
    input start,
    input signed [7:0] a,
    input signed [7:0] b,
    output reg busy,
    output reg signed [15:0] product
);
    reg signed [15:0] shifted;
    reg [7:0] bits;
    reg [2:0] step;
    always @(posedge clk) begin
        if (rst)
            busy <= 1'b0;
        else if (!busy) begin
            if (start) begin
                busy <= 1'b1;
                product <= 16'sd0;
                shifted <= a;
                bits <= b;
                step <= 3'd0;
            end
        end else begin
            // The last bit of a two's complement number counts negatively.
            if (bits[0])
                product <= (step == 3'd7) ? product - shifted : product + shifted;
            shifted <= shifted <<< 1;
            bits <= bits >> 1;
            step <= step + 3'd1;
            if (step == 3'd7)
                busy <= 1'b0;
        end
    end
endmodule
