module detect_1011(
    input clk,
    input rst,
    input valid,
    input in,
    output reg found
);
    localparam NONE = 2'd0, S1 = 2'd1, S10 = 2'd2, S101 = 2'd3;
    reg [1:0] state;
    always @(posedge clk) begin
        found <= 1'b0;
        if (rst)
            state <= NONE;
        else if (valid)
            case (state)
                NONE: state <= in ? S1 : NONE;
                S1: state <= in ? S1 : S10;
                S10: state <= in ? S101 : NONE;
                S101: begin
                    state <= in ? S1 : S10;
                    found <= in;
                end
            endcase
    end
endmodule
