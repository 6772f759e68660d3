module pipeline_stall3(
    input clk,
    input rst,
    input in_valid,
    output in_ready,
    input [7:0] a,
    input [7:0] b,
    input [7:0] c,
    output out_valid,
    input out_ready,
    output reg [15:0] result
);
    reg full1, full2, full3;
    reg [8:0] sum;
    reg [7:0] factor;
    reg [16:0] product;
    wire free3 = out_ready || !full3;
    wire free2 = free3 || !full2;
    assign in_ready = free2 || !full1;
    assign out_valid = full3;
    always @(posedge clk)
        if (rst) begin
            full1 <= 1'b0;
            full2 <= 1'b0;
            full3 <= 1'b0;
        end else begin
            if (in_ready)
                full1 <= in_valid;
            if (free2)
                full2 <= full1;
            if (free3)
                full3 <= full2;
        end
    always @(posedge clk) begin
        if (in_ready) begin
            sum <= {1'b0, a} + {1'b0, b};
            factor <= c;
        end
        if (free2)
            product <= {8'd0, sum} * {9'd0, factor};
        if (free3)
            result <= product[16] ? 16'hFFFF : product[15:0];
    end
endmodule
