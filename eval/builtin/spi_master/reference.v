module spi_master(
    input clk,
    input rst,
    input start,
    input cpol,
    input cpha,
    input [3:0] divider,
    input [7:0] tx_data,
    input miso,
    output reg sclk,
    output reg mosi,
    output cs_n,
    output reg busy,
    output reg done,
    output reg [7:0] rx_data
);
    reg phase;
    reg [3:0] half, timer;
    reg [4:0] toggles;
    reg [7:0] out, in;
    assign cs_n = !busy;
    always @(posedge clk) begin
        done <= 1'b0;
        if (rst) begin
            busy <= 1'b0;
            sclk <= 1'b0;
            mosi <= 1'b0;
            rx_data <= 8'd0;
        end else if (!busy) begin
            if (start) begin
                busy <= 1'b1;
                sclk <= cpol;
                mosi <= !cpha && tx_data[7];
                out <= cpha ? tx_data : {tx_data[6:0], 1'b0};
                phase <= cpha;
                half <= divider;
                timer <= divider;
                toggles <= 5'd16;
            end
        end else if (timer != 4'd0)
            timer <= timer - 4'd1;
        else begin
            timer <= half;
            toggles <= toggles - 5'd1;
            if (toggles == 5'd0) begin
                busy <= 1'b0;
                done <= 1'b1;
                mosi <= 1'b0;
                rx_data <= in;
            end else begin
                sclk <= !sclk;
                // Toggle number 1 comes with 16 left, so the odd ones come with an even number left.
                if (toggles[0] == phase)
                    in <= {in[6:0], miso};
                else if (toggles != 5'd1) begin
                    mosi <= out[7];
                    out <= {out[6:0], 1'b0};
                end
            end
        end
    end
endmodule
