module rom_lookup(
    input clk,
    input en,
    input [3:0] addr,
    output reg [7:0] data
);
    always @(posedge clk)
        if (en)
            case (addr)
                4'd0: data <= 8'h3A;
                4'd1: data <= 8'h91;
                4'd2: data <= 8'h07;
                4'd3: data <= 8'h5C;
                4'd4: data <= 8'hE2;
                4'd5: data <= 8'h4D;
                4'd6: data <= 8'hB8;
                4'd7: data <= 8'h16;
                4'd8: data <= 8'hFF;
                4'd9: data <= 8'h60;
                4'd10: data <= 8'h29;
                4'd11: data <= 8'hD4;
                4'd12: data <= 8'h83;
                4'd13: data <= 8'h0E;
                4'd14: data <= 8'h75;
                default: data <= 8'hCB;
            endcase
endmodule
