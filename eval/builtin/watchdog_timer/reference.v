module watchdog_timer(
    input clk,
    input rst,
    input en,
    input kick,
    input [3:0] opens,
    output reg early,
    output reg late,
    output open
);
    reg [3:0] age;
    wire tripped = early || late;
    assign open = age >= opens && !tripped;
    always @(posedge clk)
        if (rst) begin
            age <= 4'd0;
            early <= 1'b0;
            late <= 1'b0;
        end else if (!tripped) begin
            if (!en)
                age <= 4'd0;
            else if (kick) begin
                if (open)
                    age <= 4'd0;
                else
                    early <= 1'b1;
            end else if (age == 4'd15)
                late <= 1'b1;
            else
                age <= age + 4'd1;
        end
endmodule
