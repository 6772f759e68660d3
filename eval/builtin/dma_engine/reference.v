module dma_engine(
    input clk,
    input rst,
    input start,
    input abort,
    input [7:0] source,
    input [7:0] target,
    input [7:0] length,
    input fixed,
    output reg req,
    output reg we,
    output [7:0] addr,
    output reg [7:0] wdata,
    input [7:0] rdata,
    input ready,
    output reg done
);
    reg [7:0] from, to, left;
    reg stays;
    assign addr = we ? to : from;
    always @(posedge clk) begin
        done <= 1'b0;
        if (rst)
            req <= 1'b0;
        else if (!req) begin
            we <= 1'b0;
            from <= source;
            to <= target;
            left <= length;
            stays <= fixed;
            if (start) begin
                req <= length != 8'd0;
                done <= length == 8'd0;
            end
        end else if (abort)
            req <= 1'b0;
        else if (ready) begin
            we <= !we;
            if (!we) begin
                wdata <= rdata;
                if (!stays)
                    from <= from + 8'd1;
            end else begin
                to <= to + 8'd1;
                left <= left - 8'd1;
                if (left == 8'd1) begin
                    req <= 1'b0;
                    done <= 1'b1;
                end
            end
        end
    end
endmodule
