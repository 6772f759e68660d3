module vending_machine(
    input clk,
    input rst,
    input [1:0] coin,
    input choice,
    input cancel,
    input refill,
    output reg [3:0] credit,
    output reg [3:0] change,
    output reg vend,
    output sold_out
);
    reg [1:0] left0, left1;
    wire [3:0] worth = (coin == 2'd3) ? 4'd5 : {2'b00, coin};
    wire [3:0] sum = credit + worth;
    wire [3:0] price = choice ? 4'd11 : 4'd7;
    wire sells = !cancel && !sold_out && sum >= price;
    assign sold_out = (choice ? left1 : left0) == 2'd0;
    always @(posedge clk) begin
        change <= 4'd0;
        vend <= 1'b0;
        if (rst)
            credit <= 4'd0;
        else if (cancel) begin
            change <= sum;
            credit <= 4'd0;
        end else if (sold_out)
            change <= worth;
        else if (sells) begin
            vend <= 1'b1;
            change <= sum - price;
            credit <= 4'd0;
        end else
            credit <= sum;
    end
    always @(posedge clk)
        if (rst || refill) begin
            left0 <= 2'd3;
            left1 <= 2'd3;
        end else if (sells) begin
            if (choice)
                left1 <= left1 - 2'd1;
            else
                left0 <= left0 - 2'd1;
        end
endmodule
