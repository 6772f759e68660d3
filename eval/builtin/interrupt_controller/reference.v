module interrupt_controller(
    input clk,
    input rst,
    input [7:0] irq,
    input mask_write,
    input [7:0] mask_data,
    input ack,
    input finish,
    output reg [7:0] pending,
    output reg [7:0] in_service,
    output interrupt,
    output [2:0] vector
);
    reg [7:0] mask, last;
    wire [7:0] current, first;
    wire [7:0] ready = pending & mask & (current - 8'd1);
    wire [7:0] served = ack ? first : 8'd0;
    lowest_one in_work(.word(in_service), .one(current));
    lowest_one next(.word(ready), .one(first));
    assign interrupt = ready != 8'd0;
    assign vector[0] = first[1] || first[3] || first[5] || first[7];
    assign vector[1] = first[2] || first[3] || first[6] || first[7];
    assign vector[2] = first[4] || first[5] || first[6] || first[7];
    always @(posedge clk) begin
        last <= irq;
        if (rst) begin
            pending <= 8'd0;
            in_service <= 8'd0;
            mask <= 8'd0;
        end else begin
            pending <= (pending & ~served) | (irq & ~last);
            in_service <= (finish ? in_service & ~current : in_service) | served;
            if (mask_write)
                mask <= mask_data;
        end
    end
endmodule

module lowest_one(
    input [7:0] word,
    output [7:0] one
);
    assign one = word & (~word + 8'd1);
endmodule
