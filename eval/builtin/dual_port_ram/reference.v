module dual_port_ram(
    input clk,
    input [1:0] we,
    input [3:0] waddr,
    input [15:0] wdata,
    input re,
    input [3:0] raddr,
    output reg [15:0] rdata
);
    reg [7:0] lower [0:15];
    reg [7:0] upper [0:15];
    wire same = waddr == raddr;

    always @(posedge clk) begin
        if (we[0])
            lower[waddr] <= wdata[7:0];
        if (we[1])
            upper[waddr] <= wdata[15:8];
        if (re) begin
            rdata[7:0] <= (same && we[0]) ? wdata[7:0] : lower[raddr];
            rdata[15:8] <= (same && we[1]) ? wdata[15:8] : upper[raddr];
        end
    end
endmodule
