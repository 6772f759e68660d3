module shift_register8(
    input clk,
    input rst,
    input [1:0] mode,
    input serial_in,
    input [7:0] d,
    output reg [7:0] q
);
    always @(posedge clk) begin
        if (rst)
            q <= 8'd0;
        else
            case (mode)
                2'b01: q <= {serial_in, q[7:1]};
                2'b10: q <= {q[6:0], serial_in};
                2'b11: q <= d;
                default: q <= q;
            endcase
    end
endmodule
