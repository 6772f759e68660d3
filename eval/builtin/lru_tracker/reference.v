module lru_tracker(
    input clk,
    input rst,
    input touch,
    input retire,
    input [2:0] index,
    input [1:0] way,
    output [1:0] victim,
    output [1:0] age
);
    // The ages of ways 3 to 0, from the left, for each set.
    reg [7:0] sets [0:7];
    wire [7:0] ages = sets[index];
    wire [7:0] next;
    wire [3:0] oldest;
    integer i;

    assign age = ages[2 * way +: 2];
    assign victim = oldest[0] ? 2'd0 : oldest[1] ? 2'd1 : oldest[2] ? 2'd2 : 2'd3;

    genvar number;
    generate
        for (number = 0; number < 4; number = number + 1) begin : ways
            assign oldest[number] = ages[2 * number +: 2] == 2'd3;
            next_age rule(
                .touch(touch), .age(ages[2 * number +: 2]), .of_chosen(age), .next(next[2 * number +: 2])
            );
        end
    endgenerate

    always @(posedge clk)
        if (rst)
            for (i = 0; i < 8; i = i + 1)
                sets[i] <= {2'd0, 2'd1, 2'd2, 2'd3};
        else if (touch || retire)
            sets[index] <= next;
endmodule

// What one way's age becomes when a way of its set is touched, or else retired; only the way itself has the same age.
module next_age(
    input touch,
    input [1:0] age,
    input [1:0] of_chosen,
    output reg [1:0] next
);
    always @*
        if (age == of_chosen)
            next = touch ? 2'd0 : 2'd3;
        else if (age < of_chosen)
            next = touch ? age + 2'd1 : age;
        else
            next = touch ? age : age - 2'd1;
endmodule
