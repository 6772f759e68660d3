module one_hot_checker(
    input [7:0] code,
    output one_hot,
    output none,
    output many,
    output [2:0] position
);
    assign none = code == 8'd0;
    // Subtracting 1 takes the lowest one away and leaves the higher ones.
    assign many = (code & (code - 8'd1)) != 8'd0;
    assign one_hot = !none && !many;
    assign position[2] = one_hot && |code[7:4];
    assign position[1] = one_hot && |{code[7:6], code[3:2]};
    assign position[0] = one_hot && |{code[7], code[5], code[3], code[1]};
endmodule
