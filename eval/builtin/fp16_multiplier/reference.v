module fp16_multiplier(
    input clk,
    input rst,
    input in_valid,
    input [15:0] a,
    input [15:0] b,
    output reg out_valid,
    output reg [15:0] y
);
    wire a_zero, a_infinite, a_nan, b_zero, b_infinite, b_nan;
    // The first stage's results.
    reg taken, sign, nan, infinite, zero;
    reg signed [6:0] exponent;
    reg [21:0] product;
    wire [14:0] magnitude;

    fp16_kind kind_of_a(.number(a[14:0]), .zero(a_zero), .infinite(a_infinite), .nan(a_nan));
    fp16_kind kind_of_b(.number(b[14:0]), .zero(b_zero), .infinite(b_infinite), .nan(b_nan));
    fp16_round rounding(.exponent(exponent), .product(product), .magnitude(magnitude));

    always @(posedge clk) begin
        taken <= in_valid && !rst;
        out_valid <= taken && !rst;

        sign <= a[15] ^ b[15];
        nan <= a_nan || b_nan || (a_infinite && b_zero) || (a_zero && b_infinite);
        infinite <= a_infinite || b_infinite;
        zero <= a_zero || b_zero;
        exponent <= {2'b00, a[14:10]} + {2'b00, b[14:10]} - 7'd15;
        product <= {1'b1, a[9:0]} * {1'b1, b[9:0]};

        if (nan)
            y <= 16'h7E00;
        else if (infinite)
            y <= {sign, 15'h7C00};
        else if (zero)
            y <= {sign, 15'h0000};
        else
            y <= {sign, magnitude};
    end
endmodule

module fp16_kind(
    input [14:0] number,
    output zero,
    output infinite,
    output nan
);
    wire special = number[14:10] == 5'd31;
    assign zero = number[14:10] == 5'd0;
    assign infinite = special && number[9:0] == 10'd0;
    assign nan = special && number[9:0] != 10'd0;
endmodule

// From the product of two significands, at least 2^20 and less than 2^22, to a number or one of the limits.
module fp16_round(
    input signed [6:0] exponent,
    input [21:0] product,
    output reg [14:0] magnitude
);
    wire [21:0] shifted = product[21] ? product : product << 1;
    wire up = shifted[10] && (shifted[11] || shifted[9:0] != 10'd0);
    wire [11:0] rounded = {1'b0, shifted[21:11]} + {11'd0, up};
    wire signed [6:0] higher = exponent + {6'd0, product[21]} + {6'd0, rounded[11]};

    always @*
        if (higher < 7'sd1)
            magnitude = 15'h0000;
        else if (higher > 7'sd30)
            magnitude = 15'h7C00;
        else
            magnitude = {higher[4:0], rounded[9:0]};
endmodule
