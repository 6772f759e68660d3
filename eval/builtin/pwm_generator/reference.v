module pwm_generator(
    input clk,
    input rst,
    input load,
    input [5:0] period,
    input [5:0] duty,
    output pwm,
    output reg first
);
    reg [5:0] next_period, next_duty;
    // Cycles that are left after this one, and cycles with pwm 1 that are left with this one.
    reg [5:0] left, high;
    assign pwm = high != 6'd0;
    always @(posedge clk)
        if (rst) begin
            next_period <= 6'd0;
            next_duty <= 6'd0;
            left <= 6'd0;
            high <= 6'd0;
            first <= 1'b1;
        end else begin
            if (load) begin
                next_period <= period;
                next_duty <= duty;
            end
            first <= left == 6'd0;
            if (left == 6'd0) begin
                left <= next_period;
                high <= next_duty;
            end else begin
                left <= left - 6'd1;
                if (pwm)
                    high <= high - 6'd1;
            end
        end
endmodule
