module register_file(
    input clk,
    input we,
    input [2:0] waddr,
    input [7:0] wdata,
    input [2:0] raddr0,
    input [2:0] raddr1,
    output [7:0] rdata0,
    output [7:0] rdata1
);
    reg [7:0] registers [0:7];
    assign rdata0 = (raddr0 == 3'd0) ? 8'd0 : registers[raddr0];
    assign rdata1 = (raddr1 == 3'd0) ? 8'd0 : registers[raddr1];
    always @(posedge clk)
        if (we)
            registers[waddr] <= wdata;
endmodule
