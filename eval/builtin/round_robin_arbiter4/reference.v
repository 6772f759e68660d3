module round_robin_arbiter4(
    input clk,
    input rst,
    input take,
    input [3:0] request,
    output [3:0] grant
);
    reg [1:0] favoured;
    wire [7:0] twice = {request, request} >> favoured;
    // Distance of the granted requester from the favoured one.
    wire [1:0] distance = twice[0] ? 2'd0 : twice[1] ? 2'd1 : twice[2] ? 2'd2 : 2'd3;
    wire [1:0] granted = favoured + distance;
    wire any = |request;
    assign grant = {3'b000, any} << granted;
    always @(posedge clk)
        if (rst)
            favoured <= 2'd0;
        else if (take && any)
            favoured <= granted + 2'd1;
endmodule
