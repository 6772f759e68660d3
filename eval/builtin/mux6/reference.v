module mux6(
    input [23:0] in,
    input [2:0] sel,
    output reg [3:0] y
);
    always @* begin
        case (sel)
            3'd0: y = in[3:0];
            3'd1: y = in[7:4];
            3'd2: y = in[11:8];
            3'd3: y = in[15:12];
            3'd4: y = in[19:16];
            3'd5: y = in[23:20];
            default: y = 4'd0;
        endcase
    end
endmodule
