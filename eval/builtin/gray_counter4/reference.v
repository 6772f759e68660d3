module gray_counter4(
    input clk,
    input rst_n,
    input en,
    output [3:0] q
);
    reg [3:0] count;
    assign q = count ^ (count >> 1);
    always @(posedge clk or negedge rst_n) begin
        if (!rst_n)
            count <= 4'd0;
        else if (en)
            count <= count + 4'd1;
    end
endmodule
