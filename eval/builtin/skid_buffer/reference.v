module skid_buffer(
    input clk,
    input rst,
    input s_valid,
    output reg s_ready,
    input [7:0] s_data,
    input s_last,
    output reg m_valid,
    input m_ready,
    output reg [7:0] m_data,
    output reg m_last
);
    // The item that entered while the output was blocked; there is one when s_ready is 0.
    reg [7:0] spare_data;
    reg spare_last;
    always @(posedge clk)
        if (rst) begin
            m_valid <= 1'b0;
            s_ready <= 1'b1;
        end else if (m_ready || !m_valid) begin
            m_valid <= s_valid || !s_ready;
            m_data <= s_ready ? s_data : spare_data;
            m_last <= s_ready ? s_last : spare_last;
            s_ready <= 1'b1;
        end else if (s_valid && s_ready) begin
            spare_data <= s_data;
            spare_last <= s_last;
            s_ready <= 1'b0;
        end
endmodule
