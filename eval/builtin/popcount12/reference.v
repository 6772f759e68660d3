module popcount12(
    input [11:0] data,
    output reg [3:0] count
);
    integer i;
    always @* begin
        count = 4'd0;
        for (i = 0; i < 12; i = i + 1)
            count = count + {3'd0, data[i]};
    end
endmodule
