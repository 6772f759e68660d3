module crc16_serial(
    input clk,
    input rst,
    input clear,
    input en,
    input send,
    input in,
    output reg [15:0] crc,
    output out,
    output good
);
    wire [15:0] shifted = {crc[14:0], 1'b0};
    assign out = send ? crc[15] : in;
    assign good = crc == 16'd0;
    always @(posedge clk)
        if (rst)
            crc <= 16'hFFFF;
        else if (clear)
            crc <= 16'd0;
        else if (en) begin
            if (!send && crc[15] != in)
                crc <= shifted ^ 16'h1021;
            else
                crc <= shifted;
        end
endmodule
