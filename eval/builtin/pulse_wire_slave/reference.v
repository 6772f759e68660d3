module pulse_wire_slave(
    input clk,
    input rst,
    input line,
    output pull,
    output [7:0] value
);
    localparam OVER = 4'd11;
    reg [7:0] registers [0:3];
    // Length of the pulse so far, up to 16.
    reg [4:0] length;
    // Bits of the message so far; the first three of them, and the data after those.
    reg [3:0] place;
    reg [2:0] order;
    reg [6:0] bits;
    reg [2:0] pulling;
    wire [7:0] told = registers[order[1:0]];
    wire attention = length[4];
    wire is_one = length < 5'd6;
    wire in_data = place >= 4'd3 && place != OVER;
    // The bit in turn: 7 with three bits before it, and 0 with ten.
    wire [2:0] turn = 3'd2 - place[2:0];
    assign pull = pulling != 3'd0;
    assign value = registers[0];
    always @(posedge clk)
        if (rst) begin
            registers[0] <= 8'd0;
            registers[1] <= 8'd0;
            registers[2] <= 8'd0;
            registers[3] <= 8'd0;
            length <= 5'd0;
            place <= OVER;
            pulling <= 3'd0;
        end else begin
            if (pull)
                pulling <= pulling - 3'd1;
            if (!line) begin
                if (!attention)
                    length <= length + 5'd1;
                if (length == 5'd0 && in_data && order[2] && !told[turn])
                    pulling <= 3'd7;
            end else begin
                length <= 5'd0;
                if (attention)
                    place <= 4'd0;
                else if (length != 5'd0 && place != OVER) begin
                    place <= place + 4'd1;
                    if (in_data)
                        bits <= {bits[5:0], is_one};
                    else
                        order <= {order[1:0], is_one};
                    if (place == 4'd10 && !order[2])
                        registers[order[1:0]] <= {bits, is_one};
                end
            end
        end
endmodule
