module traffic_light(
    input clk,
    input rst,
    input button,
    output red,
    output amber,
    output green,
    output walk
);
    localparam GREEN = 2'd0, AMBER = 2'd1, WALK = 2'd2, CLEAR = 2'd3;
    reg [1:0] phase;
    reg [2:0] left;
    reg pressed;
    assign green = phase == GREEN;
    assign amber = phase == AMBER;
    assign walk = phase == WALK;
    assign red = phase == WALK || phase == CLEAR;
    always @(posedge clk)
        if (rst) begin
            phase <= GREEN;
            left <= 3'd5;
            pressed <= 1'b0;
        end else begin
            if (button && (phase == GREEN || phase == CLEAR))
                pressed <= 1'b1;
            if (left != 3'd0)
                left <= left - 3'd1;
            else
                case (phase)
                    GREEN: if (button || pressed) begin
                        phase <= AMBER;
                        left <= 3'd1;
                        pressed <= 1'b0;
                    end
                    AMBER: begin
                        phase <= WALK;
                        left <= 3'd4;
                    end
                    WALK: begin
                        phase <= CLEAR;
                        left <= 3'd2;
                    end
                    default: begin
                        phase <= GREEN;
                        left <= 3'd5;
                    end
                endcase
        end
endmodule
