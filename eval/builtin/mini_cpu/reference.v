module mini_cpu(
    input clk,
    input rst,
    input [11:0] instruction,
    input [7:0] port_in,
    output reg [7:0] pc,
    output reg [7:0] acc,
    output reg carry,
    output reg [7:0] port_out,
    output reg halted
);
    localparam LOAD_NUMBER = 4'd1, LOAD = 4'd2, STORE = 4'd3, ADD = 4'd4, SUBTRACT = 4'd5, AND = 4'd6, XOR = 4'd7;
    localparam ADD_NUMBER = 4'd8, INPUT = 4'd9, OUTPUT = 4'd10, JUMP = 4'd11, JUMP_ZERO = 4'd12, JUMP_CARRY = 4'd13;
    localparam SHIFT = 4'd14, HALT = 4'd15;
    reg [7:0] memory [0:15];
    wire [3:0] op = instruction[11:8];
    wire [7:0] number = instruction[7:0];
    wire [7:0] stored = memory[instruction[3:0]];
    wire jumps = op == JUMP || (op == JUMP_ZERO && acc == 8'd0) || (op == JUMP_CARRY && carry);
    always @(posedge clk)
        if (rst) begin
            pc <= 8'd0;
            acc <= 8'd0;
            carry <= 1'b0;
            port_out <= 8'd0;
            halted <= 1'b0;
        end else if (!halted) begin
            if (op != HALT)
                pc <= jumps ? number : pc + 8'd1;
            case (op)
                LOAD_NUMBER: acc <= number;
                LOAD: acc <= stored;
                STORE: memory[instruction[3:0]] <= acc;
                ADD: {carry, acc} <= {1'b0, acc} + {1'b0, stored};
                SUBTRACT: {carry, acc} <= {1'b0, acc} - {1'b0, stored};
                AND: acc <= acc & stored;
                XOR: acc <= acc ^ stored;
                ADD_NUMBER: {carry, acc} <= {1'b0, acc} + {1'b0, number};
                INPUT: acc <= port_in;
                OUTPUT: port_out <= acc;
                SHIFT: {acc, carry} <= {carry, acc};
                HALT: halted <= 1'b1;
                default: ;
            endcase
        end
endmodule
