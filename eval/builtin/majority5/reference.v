module majority5(
    input [4:0] a,
    output y
);
    wire [2:0] ones = {2'b00, a[0]} + {2'b00, a[1]} + {2'b00, a[2]} + {2'b00, a[3]} + {2'b00, a[4]};
    assign y = ones >= 3'd3;
endmodule
