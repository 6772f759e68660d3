module decade_counter(
    input clk,
    input rst,
    input en,
    input load,
    input [3:0] d,
    output reg [3:0] q,
    output carry
);
    assign carry = (q == 4'd9) && en && !load;
    always @(posedge clk) begin
        if (rst)
            q <= 4'd0;
        else if (load)
            q <= (d > 4'd9) ? 4'd9 : d;
        else if (en)
            q <= (q == 4'd9) ? 4'd0 : q + 4'd1;
    end
endmodule
