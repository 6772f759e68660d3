module register_bus_slave(
    input clk,
    input rst,
    input sel,
    input enable,
    input write,
    input [3:0] addr,
    input [7:0] wdata,
    output [7:0] rdata,
    output ready,
    output error,
    input [7:0] status,
    input [7:0] event_in,
    output irq
);
    reg [7:0] control, count, events, value;
    reg waited;
    wire access = sel && enable;
    wire writes = ready && write;
    assign ready = access && (addr != 4'd2 || waited);
    assign error = ready && (addr > 4'd3 || (write && addr == 4'd1));
    assign rdata = (ready && !write) ? value : 8'd0;
    assign irq = control[1] && events != 8'd0;
    always @*
        case (addr)
            4'd0: value = control;
            4'd1: value = status;
            4'd2: value = count;
            4'd3: value = events;
            default: value = 8'd0;
        endcase
    always @(posedge clk) begin
        waited <= access && !ready;
        if (rst) begin
            control <= 8'd0;
            count <= 8'd0;
            events <= 8'd0;
        end else begin
            if (writes && addr == 4'd0)
                control <= wdata;
            if (writes && addr == 4'd2)
                count <= wdata;
            else if (control[0])
                count <= count + 8'd1;
            events <= (writes && addr == 4'd3) ? (events & ~wdata) | event_in : events | event_in;
        end
    end
endmodule
