module hamming_decoder(
    input [11:0] code,
    output [7:0] data,
    output corrected,
    output bad
);
    // The four parities, which together are the position of the wrong bit.
    wire [3:0] wrong;
    assign wrong[0] = code[0] ^ code[2] ^ code[4] ^ code[6] ^ code[8] ^ code[10];
    assign wrong[1] = code[1] ^ code[2] ^ code[5] ^ code[6] ^ code[9] ^ code[10];
    assign wrong[2] = code[3] ^ code[4] ^ code[5] ^ code[6] ^ code[11];
    assign wrong[3] = code[7] ^ code[8] ^ code[9] ^ code[10] ^ code[11];
    assign bad = wrong > 4'd12;
    assign corrected = wrong != 4'd0 && !bad;
    assign data[0] = code[2] ^ (wrong == 4'd3);
    assign data[1] = code[4] ^ (wrong == 4'd5);
    assign data[2] = code[5] ^ (wrong == 4'd6);
    assign data[3] = code[6] ^ (wrong == 4'd7);
    assign data[4] = code[8] ^ (wrong == 4'd9);
    assign data[5] = code[9] ^ (wrong == 4'd10);
    assign data[6] = code[10] ^ (wrong == 4'd11);
    assign data[7] = code[11] ^ (wrong == 4'd12);
endmodule
