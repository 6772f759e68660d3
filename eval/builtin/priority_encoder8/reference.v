module priority_encoder8(
    input [7:0] request,
    output reg [2:0] index,
    output valid
);
    integer i;
    assign valid = |request;
    always @* begin
        index = 3'd0;
        for (i = 0; i < 8; i = i + 1)
            if (request[i])
                index = i[2:0];
    end
endmodule
