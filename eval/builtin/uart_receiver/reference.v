module uart_receiver(
    input clk,
    input rst,
    input rx,
    output reg [7:0] data,
    output reg valid,
    output reg framing_error
);
    reg receives, broken;
    // Edges that are left after the coming one; a bit is decided when that is a multiple of 8, the start bit at 72.
    reg [6:0] left;
    reg [1:0] past;
    reg [7:0] bits;
    wire value = (rx && past[0]) || (rx && past[1]) || (past[0] && past[1]);
    always @(posedge clk) begin
        past <= {past[0], rx};
        valid <= 1'b0;
        framing_error <= 1'b0;
        if (rst) begin
            receives <= 1'b0;
            broken <= 1'b0;
            data <= 8'd0;
        end else if (broken)
            broken <= !rx;
        else if (!receives) begin
            receives <= !rx;
            left <= 7'd76;
        end else begin
            left <= left - 7'd1;
            if (left[2:0] == 3'd0)
                bits <= {value, bits[7:1]};
            if (left == 7'd72 && value)
                receives <= 1'b0;
            if (left == 7'd0) begin
                receives <= 1'b0;
                broken <= !value;
                valid <= value;
                framing_error <= !value;
                if (value)
                    data <= bits;
            end
        end
    end
endmodule
