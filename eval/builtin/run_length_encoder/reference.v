module run_length_encoder(
    input clk,
    input rst,
    input valid,
    input [3:0] symbol,
    input flush,
    output reg out_valid,
    output reg [3:0] out_symbol,
    output reg [3:0] out_length
);
    // A length of 0 says that no run is open.
    reg [3:0] run, length;
    wire open = length != 4'd0;
    // Without an open run growing and beginning are the same.
    wire grows = symbol == run && length != 4'd15;
    wire ends = open && (valid ? !grows : flush);
    always @(posedge clk) begin
        out_valid <= 1'b0;
        out_symbol <= 4'd0;
        out_length <= 4'd0;
        if (rst)
            length <= 4'd0;
        else begin
            if (ends) begin
                out_valid <= 1'b1;
                out_symbol <= run;
                out_length <= length;
            end
            if (valid) begin
                run <= symbol;
                length <= grows ? length + 4'd1 : 4'd1;
            end else if (flush)
                length <= 4'd0;
        end
    end
endmodule
