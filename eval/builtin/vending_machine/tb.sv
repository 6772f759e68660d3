// Customers who change their minds; the model counts money and goods in plain integers, rule by rule.
module tb;
    reg clk = 0, rst, choice, cancel, refill, sold;
    reg [1:0] coin;
    wire [3:0] credit, change;
    wire vend, sold_out;
    integer left [0:1];
    integer i, purse, back, worth, price, seed = 109, mismatches = 0, samples = 0;

    vending_machine dut(
        .clk(clk), .rst(rst), .coin(coin), .choice(choice), .cancel(cancel), .refill(refill),
        .credit(credit), .change(change), .vend(vend), .sold_out(sold_out)
    );

    task check;
        begin
            samples = samples + 1;
            if (credit !== purse || change !== back || vend !== sold || sold_out !== (left[choice] == 0))
                mismatches = mismatches + 1;
        end
    endtask

    task serve;
        begin
            case (coin)
                0: worth = 0;
                1: worth = 1;
                2: worth = 2;
                3: worth = 5;
            endcase
            price = choice ? 11 : 7;
            sold = 0;
            back = 0;
            if (rst) purse = 0;
            else if (cancel) begin
                back = purse + worth;
                purse = 0;
            end else if (left[choice] == 0) back = worth;
            else begin
                purse = purse + worth;
                if (purse >= price) begin
                    sold = 1;
                    back = purse - price;
                    purse = 0;
                    left[choice] = left[choice] - 1;
                end
            end
            if (rst || refill) begin
                left[0] = 3;
                left[1] = 3;
            end
        end
    endtask

    initial begin
        for (i = 0; i < 8000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 128 == 0;
            coin = $random(seed);
            if (i % 16 == 0) choice = $random(seed);
            else if ($random(seed) % 8 == 0) choice = ~choice;
            cancel = $random(seed) % 16 == 0;
            refill = $random(seed) % 32 == 0;
            #4 if (i > 0) check;
            #1 clk = 1;
            serve;
            #1 check;
            #1 choice = ~choice;
            #1 clk = 0;
            #1 check;
            choice = ~choice;
            #1 coin = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
