module barrel_rotate16(
    input [15:0] data,
    input [3:0] amount,
    input right,
    output [15:0] rotated
);
    // To the right by n is to the left by 16 - n, and four bits count modulo 16.
    wire [3:0] left = right ? 4'd0 - amount : amount;
    wire [15:0] by1 = left[0] ? {data[14:0], data[15]} : data;
    wire [15:0] by2 = left[1] ? {by1[13:0], by1[15:14]} : by1;
    wire [15:0] by4 = left[2] ? {by2[11:0], by2[15:12]} : by2;
    assign rotated = left[3] ? {by4[7:0], by4[15:8]} : by4;
endmodule
