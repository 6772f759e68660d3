// All modes and dividers, with inputs that change while a transfer runs; the model computes from the edge's number.
module tb;
    reg clk = 0, rst, start, cpol, cpha, miso, pol = 0, pha = 0, is_done, want_mosi;
    reg [3:0] divider;
    reg [7:0] tx_data, tx, got, rx;
    wire sclk, mosi, cs_n, busy, done;
    wire [7:0] rx_data;
    integer i, n = -1, h = 1, t = 0, seed = 181, mismatches = 0, samples = 0;

    spi_master dut(
        .clk(clk), .rst(rst), .start(start), .cpol(cpol), .cpha(cpha), .divider(divider), .tx_data(tx_data),
        .miso(miso), .sclk(sclk), .mosi(mosi), .cs_n(cs_n), .busy(busy), .done(done), .rx_data(rx_data)
    );

    task check;
        begin
            samples = samples + 1;
            if (busy !== n >= 0 || cs_n !== n < 0 || done !== is_done || rx_data !== rx || mosi !== want_mosi
                || sclk !== (pol ^ (t % 2 == 1)))
                mismatches = mismatches + 1;
        end
    endtask

    // n is the number of edges since the transfer began, t that of toggles; n is -1 between transfers.
    task model;
        begin
            is_done = 0;
            if (rst) begin
                n = -1;
                t = 0;
                pol = 0;
                rx = 0;
            end else if (n >= 0) begin
                n = n + 1;
                if (n % h == 0) begin
                    t = n / h;
                    if (t <= 16 && t % 2 == (pha ? 0 : 1)) got = {got[6:0], miso};
                    if (t == 17) begin
                        n = -1;
                        t = 0;
                        is_done = 1;
                        rx = got;
                    end
                end
            end else if (start) begin
                n = 0;
                t = 0;
                h = divider + 1;
                {pol, pha, tx} = {cpol, cpha, tx_data};
            end
            if (n < 0 || (pha && t == 0)) want_mosi = 0;
            else if (pha) want_mosi = tx[7 - (t - 1) / 2];
            else want_mosi = tx[7 - (t > 15 ? 15 : t) / 2];
        end
    endtask

    initial begin
        for (i = 0; i < 16000; i = i + 1) begin
            rst = i == 0 || $random(seed) % 1024 == 0;
            start = $random(seed) % 4 != 0;
            {cpol, cpha, miso, tx_data} = $random(seed);
            divider = $random(seed) % 8 == 0 ? $random(seed) : {$random(seed)} % 3;
            #4 if (i > 0) check;
            #1 clk = 1;
            model;
            #1 check;
            #1 start = ~start;
            miso = ~miso;
            #1 clk = 0;
            #1 check;
            #1 start = 0;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
