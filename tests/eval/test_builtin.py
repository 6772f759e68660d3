"""The suite that comes with the package: its references pass, and its benches find designs that are nearly right."""

from __future__ import annotations

from collections import Counter

import pytest

from autovcoder.records import Problem
from eval.answerable import contradiction
from eval.run import LIMITS
from eval.suites import load_suite
from hdl_sim.icarus import Icarus
from hdl_sim.teeth import measure

PROBLEMS = {problem.id: problem for problem in load_suite("builtin", None)}
_SET, _CLEAR = "if (changed_a && changed_b)", "if (clear)"
CLEAR_LAST = (
    f"{_SET}\n                error <= 1'b1;\n            else {_CLEAR}\n                error <= 1'b0;",
    f"{_CLEAR}\n                error <= 1'b0;\n            else {_SET}\n                error <= 1'b1;",
)
# Problem, a piece of its reference, and what a wrong design has in its place.
WRONG = [
    ("majority5", ">= 3'd3", "> 3'd3"),
    ("majority5", "+ {2'b00, a[4]}", ""),
    ("majority5", "ones >= 3'd3", "ones[1]"),
    ("mux6", "default: y = 4'd0;", ""),  # a latch
    ("mux6", "default: y = 4'd0;", "default: y = in[23:20];"),
    ("mux6", "in[15:12]", "in[16:13]"),
    ("add_sub8", "{8'd0, sub}", "9'd0"),
    ("add_sub8", "a[7] == other[7]", "a[7] == b[7]"),
    ("add_sub8", "{carry, result} =", "{carry, result} = {sub, 8'd0} ^"),  # a borrow in the place of the carry
    ("priority_encoder8", "i = 0; i < 8; i = i + 1", "i = 7; i >= 0; i = i - 1"),
    ("priority_encoder8", "|request", "|request[7:1]"),
    ("priority_encoder8", "index = 3'd0;", ""),  # a latch
    ("popcount12", "i < 12", "i < 11"),
    ("popcount12", "count + {3'd0, data[i]}", "count | {3'd0, data[i]}"),
    ("popcount12", "count = 4'd0;", ""),  # starts from X
    ("decade_counter", "&& !load", ""),
    ("decade_counter", "(d > 4'd9) ? 4'd9 : d", "d"),
    ("decade_counter", "posedge clk", "posedge clk or posedge rst"),
    ("decade_counter", "if (rst)\n            q <= 4'd0;\n        else if (load)", "if (load)"),
    ("gray_counter4", "posedge clk or negedge rst_n", "posedge clk"),
    ("gray_counter4", "else if (en)", "else"),
    ("gray_counter4", "count ^ (count >> 1)", "count"),
    ("shift_register8", "{serial_in, q[7:1]}", "{q[7], q[7:1]}"),
    ("shift_register8", "{q[6:0], serial_in}", "{q[6:0], q[7]}"),
    ("shift_register8", "posedge clk", "negedge clk"),
    ("lfsr16", "16'hACE1", "16'h0001"),
    ("lfsr16", "16'hB400 :", "16'hB401 :"),
    ("lfsr16", "else if (en)", "else"),
    ("detect_1011", "state <= in ? S1 : S10;\n                    found", "state <= NONE;\n                    found"),
    ("detect_1011", "S1: state <= in ? S1 : S10;", "S1: state <= in ? NONE : S10;"),
    ("detect_1011", "found <= 1'b0;\n        if (rst)", "if (rst)"),
    ("debouncer", "2'd3", "2'd2"),
    ("debouncer", "if (in == out)\n            differing <= 2'd0;\n        else if (d", "if (in != out && d"),
    ("debouncer", "posedge clk", "posedge clk or posedge in"),
    ("register_file", "rdata0 = (raddr0 == 3'd0) ? 8'd0 : registers[raddr0]", "rdata0 = registers[raddr0]"),
    ("register_file", ": registers[raddr1]", ": (we && waddr == raddr1) ? wdata : registers[raddr1]"),
    ("register_file", "        if (we)\n", ""),
    ("sync_fifo", "push && !full", "push && (!full || pop)"),
    ("sync_fifo", "pop && !empty", "pop"),
    ("sync_fifo", "{~tail[2], tail[1:0]}", "tail + 3'd3"),
    ("sync_fifo", "words[tail[1:0]]", "words[head[1:0]]"),
    ("serial_multiplier", "(step == 3'd7) ? product - shifted :", ""),
    ("serial_multiplier", "shifted <= a;", "shifted <= {8'd0, a};"),
    ("serial_multiplier", "else if (!busy) begin", "else if (!busy || start) begin"),
    ("serial_multiplier", "            busy <= 1'b0;\n        else if", "            product <= 0;\n        else if"),
    ("abs_diff8", "$signed(a) < $signed(b)", "a < b"),
    ("abs_diff8", "less ? b - a", "(a < b) ? b - a"),
    ("abs_diff8", ": a < b", ": a <= b"),
    ("saturating_adder8", "exact[8] != exact[7]", "exact[8] != exact[7] && !a[7]"),
    ("saturating_adder8", "{7{~exact[8]}}", "{7{exact[8]}}"),
    ("saturating_adder8", "saturated ? {exact[8], {7{~exact[8]}}} : exact[7:0]", "exact[7:0]"),
    ("bcd_digit_adder", "total > 5'd9", "total > 5'd10"),
    ("bcd_digit_adder", "!invalid && total", "total"),
    ("bcd_digit_adder", "total[3:0] + 4'd6", "total[3:0] - 4'd9"),
    ("barrel_rotate16", "4'd0 - amount", "~amount"),
    ("barrel_rotate16", "{by1[13:0], by1[15:14]}", "{by1[13:0], 2'b00}"),
    ("barrel_rotate16", "left[3] ?", "amount[3] && !right ?"),
    ("seven_segment", "4'h6: lit = 7'b1111101", "4'h6: lit = 7'b1111100"),
    ("seven_segment", "(blank ? 7'd0 : lit) ^ {7{active_low}}", "blank ? 7'd0 : lit ^ {7{active_low}}"),
    ("seven_segment", "default: lit = 7'b1110001;", ""),
    ("one_hot_checker", "one_hot && |code[7:4]", "|code[7:4]"),
    ("one_hot_checker", "!none && !many", "!many"),
    ("one_hot_checker", "(code & (code - 8'd1)) != 8'd0", "^code == 1'b0 && code != 8'd0"),
    ("sr_latch_sync", "if (clear)", "if (clear && !set)"),
    ("sr_latch_sync", "if (set && clear)\n                conflict <= 1'b1;", "conflict <= set && clear;"),
    ("sr_latch_sync", "posedge clk", "posedge clk or posedge rst"),
    ("clock_enable_div", "if (left == 3'd0)", "if (left == 3'd1)"),
    ("clock_enable_div", "        tick <= 1'b0;\n        if (rst)", "        if (rst)"),
    ("clock_enable_div", "else if (en) begin", "else if (!en)\n            left <= 3'd5;\n        else begin"),
    ("booth_multiplier8", "3'd3: part = factor <<< 1;", "3'd3: part = factor;"),
    ("booth_multiplier8", "        done <= 1'b0;\n", ""),
    ("booth_multiplier8", "else if (busy) begin", "else if (busy && !start) begin"),
    ("restoring_divider", "rest >= {1'b0, by}", "rest > {1'b0, by}"),
    ("restoring_divider", "left <= 4'd15;", "left <= 4'd14;"),
    ("restoring_divider", "            done <= 1'b0;\n            remainder", "            remainder"),
    ("isqrt16", "next >= trial", "next > trial"),
    ("isqrt16", "!busy && !out_valid", "!busy && (!out_valid || out_ready)"),
    ("isqrt16", "            if (out_ready)\n                out_valid", "            out_valid"),
    ("fixed_fir4", "+ 16'sd64;", ";"),
    ("fixed_fir4", "-16'sd11 * x ", "16'sd11 * x "),
    ("fixed_fir4", "outside ? {sum[15], {7{~sum[15]}}} : sum[14:7]", "sum[14:7]"),
    ("bcd_counter4", "wrap <= moves;", "wrap <= next == 16'd0;"),
    ("bcd_counter4", "else if (load)", "else if (load && !en)"),
    ("bcd_counter4", "i < 16", "i < 12"),
    ("mac_saturating", "(en && !rst) ? product : 18'sd0", "18'sd0"),
    ("mac_saturating", "if (outside)\n                overflow <= 1'b1;", "overflow <= outside;"),
    ("mac_saturating", "acc + product", "acc + $signed({1'b0, product})"),
    ("dual_port_ram", "(same && we[0]) ? wdata[7:0] : lower[raddr]", "lower[raddr]"),
    ("dual_port_ram", "(same && we[1])", "(same && we[0])"),
    ("dual_port_ram", "        if (re) begin", "        begin"),
    ("lifo_stack", "count == 3'd6", "count == 3'd7"),
    ("lifo_stack", "if (pop && !empty)", "if (pop && !empty && !full)"),
    ("lifo_stack", "underflow <= 1'b1;\n            else", "underflow <= 1'b1;\n            else if (!full)"),
    ("cache_tag_compare", "valid[index] && tags[index] == tag", "tags[index] == tag"),
    ("cache_tag_compare", "drop && !fill", "drop"),
    ("cache_tag_compare", "ways[0] ? 2'd0 : ways[1] ? 2'd1 :", "ways[1] ? 2'd1 : ways[0] ? 2'd0 :"),
    ("content_addressable_memory", "& masks[number]", "& ~masks[number]"),
    ("content_addressable_memory", "i = 7; i >= 0; i = i - 1", "i = 0; i < 8; i = i + 1"),
    ("content_addressable_memory", "valid[number] &&", "(valid[number] || write && waddr == number) &&"),
    ("systolic_4x4", "en(taken[i + j])", "en(taken[i])"),
    ("systolic_4x4", "input signed [7:0] left", "input [7:0] left"),
    ("systolic_4x4", "ready = way == 6'd0", "ready = way[5:1] == 5'd0"),
    ("fp16_multiplier", "(shifted[11] || shifted[9:0] != 10'd0)", "1'b1"),
    ("fp16_multiplier", "+ {6'd0, rounded[11]}", ""),
    ("fp16_multiplier", "|| (a_zero && b_infinite)", ""),
    ("cordic_rotator", "y >>> number", "y >> number"),
    ("cordic_rotator", "back = z[15]", "back = z <= 16'sd0"),
    ("cordic_rotator", "z > 16'sd16384 ||", "z >= 16'sd16384 ||"),
    ("async_fifo", "out <= first;", "out <= in;"),
    ("async_fifo", "gray <= next ^ (next >> 1);", "gray <= next;"),
    ("async_fifo", "pushes = push && !full", "pushes = push"),
    ("lru_tracker", "age < of_chosen", "age > of_chosen"),
    ("lru_tracker", "touch ? age : age - 2'd1", "age"),
    ("lru_tracker", "sets[i] <= {2'd0, 2'd1, 2'd2, 2'd3}", "sets[i] <= {2'd3, 2'd2, 2'd1, 2'd0}"),
    ("rom_lookup", "8'h60", "8'h06"),
    ("rom_lookup", "if (en)\n", ""),
    ("rom_lookup", "always @(posedge clk)", "always @(addr)"),
    ("round_robin_arbiter4", "granted + 2'd1", "favoured + 2'd1"),
    ("round_robin_arbiter4", "take && any", "any"),
    ("round_robin_arbiter4", "if (rst)\n            favoured <= 2'd0;\n        else if", "if"),
    ("round_robin_arbiter4", "granted + 2'd1", "granted"),
    ("traffic_light", "phase == GREEN || phase == CLEAR)", "phase != AMBER)"),
    ("traffic_light", "button || pressed", "pressed"),
    ("traffic_light", "                        pressed <= 1'b0;\n", ""),
    ("traffic_light", "left <= 3'd4", "left <= 3'd5"),
    ("vending_machine", "sum >= price", "sum > price"),
    ("vending_machine", "change <= sum;", "change <= credit;"),
    ("vending_machine", "rst || refill", "rst"),
    ("vending_machine", "!cancel && !sold_out", "!sold_out"),
    ("watchdog_timer", "age >= opens", "age > opens"),
    ("watchdog_timer", "age == 4'd15", "age == 4'd14"),
    ("watchdog_timer", "else if (!tripped)", "else"),
    ("watchdog_timer", "else if (kick) begin", "else if (kick && age != 4'd15) begin"),
    ("pwm_generator", "left <= next_period;", "left <= load ? period : next_period;"),
    ("pwm_generator", "high <= next_duty;", "high <= duty;"),
    ("pwm_generator", "left <= next_period;", "left <= next_period - 6'd1;"),
    (
        "handshake_synchroniser",
        "seen1 <= request;\n            seen2 <= seen1;",
        "seen1 <= request;\n            seen2 <= request;",
    ),
    ("handshake_synchroniser", "answer2 <= answer1;", "answer2 <= seen2;"),
    (
        "handshake_synchroniser",
        "always @(posedge clk_a)\n        if (send && !busy)",
        "always @(posedge clk_a)\n        if (send)",
    ),
    ("handshake_synchroniser", "q <= held;", "q <= word;"),
    ("skid_buffer", "m_ready || !m_valid", "m_ready"),
    ("skid_buffer", "s_ready ? s_data : spare_data", "s_data"),
    ("skid_buffer", "s_valid && s_ready", "s_valid"),
    ("skid_buffer", "s_valid || !s_ready", "s_valid"),
    ("pipeline_stall3", "free2 = free3 || !full2", "free2 = free3"),
    ("pipeline_stall3", "free2 || !full1", "!full1"),
    ("pipeline_stall3", "product[16] ? 16'hFFFF : product[15:0]", "product[15:0]"),
    ("pipeline_stall3", "{1'b0, a} + {1'b0, b}", "{1'b0, a + b}"),
    ("crc16_serial", "16'h1021", "16'h8408"),
    ("crc16_serial", "!send && ", ""),
    ("crc16_serial", "16'hFFFF", "16'h0000"),
    ("hamming_decoder", "wrong > 4'd12", "wrong > 4'd11"),
    ("hamming_decoder", "wrong != 4'd0 && !bad", "wrong != 4'd0"),
    ("hamming_decoder", "code[5] ^ code[6] ^ code[11]", "code[5] ^ code[6]"),
    ("mirror_checksum", "plain >= 9'd255", "plain > 9'd255"),
    ("mirror_checksum", ".b(next_low)", ".b(low)"),
    ("mirror_checksum", "mirror ? turned : data", "data"),
    ("run_length_encoder", "length != 4'd15", "length != 4'd14"),
    ("run_length_encoder", "open && (valid ? !grows : flush)", "open && (flush || valid && !grows)"),
    ("run_length_encoder", "open && (valid ? !grows : flush)", "valid ? !grows : flush"),
    ("run_length_encoder", "            end else if (flush)\n                length <= 4'd0;\n", "            end\n"),
    ("quadrature_decoder", "(last_a == last_b)", "(last_a != last_b)"),
    ("quadrature_decoder", "else if (steps)", "else if (changed_a || changed_b)"),
    ("quadrature_decoder", *CLEAR_LAST),
    ("uart_receiver", "left == 7'd72 && value", "1'b0"),
    (
        "uart_receiver",
        "wire value = (rx && past[0]) || (rx && past[1]) || (past[0] && past[1]);",
        "wire value = past[0];",
    ),
    ("uart_receiver", "broken <= !value;", ""),
    ("uart_receiver", "{value, bits[7:1]}", "{bits[6:0], value}"),
    ("uart_transmitter_fifo", "^data, data", "~^data, data"),
    ("uart_transmitter_fifo", "(!busy || left == 6'd0)", "!busy"),
    ("uart_transmitter_fifo", "write && !full", "write && (!full || remove)"),
    ("uart_transmitter_fifo", "6'd43", "6'd39"),
    ("spi_master", "toggles[0] == phase", "toggles[0] == 1'b0"),
    ("spi_master", "else if (toggles != 5'd1) begin", "else begin"),
    ("spi_master", "timer <= half;", "timer <= divider;"),
    ("spi_master", "sclk <= cpol;", "sclk <= 1'b0;"),
    ("pulse_wire_slave", "length < 5'd6", "length < 5'd5"),
    ("pulse_wire_slave", "pulling <= 3'd7", "pulling <= 3'd6"),
    ("pulse_wire_slave", "if (place == 4'd10 && !order[2])", "if (place == 4'd10)"),
    ("pulse_wire_slave", "3'd2 - place[2:0]", "place[2:0] - 3'd3"),
    ("interrupt_controller", "(pending & ~served) | (irq & ~last)", "(pending | (irq & ~last)) & ~served"),
    ("interrupt_controller", "pending & mask & (current - 8'd1)", "pending & mask & ~in_service"),
    ("interrupt_controller", "in_service & ~current : in_service", "8'd0 : in_service"),
    ("interrupt_controller", "(irq & ~last)", "irq"),
    ("dma_engine", "if (!stays)\n", "if (!fixed)\n"),
    ("dma_engine", "left == 8'd1", "left == 8'd0"),
    ("dma_engine", "done <= length == 8'd0;", ""),
    (
        "dma_engine",
        "end else if (abort)\n            req <= 1'b0;\n        else if (ready) begin",
        "end else if (ready) begin",
    ),
    ("register_bus_slave", "addr != 4'd2 || waited", "1'b1"),
    ("register_bus_slave", "(events & ~wdata) | event_in", "(events | event_in) & ~wdata"),
    ("register_bus_slave", "access = sel && enable", "access = enable"),
    ("register_bus_slave", "case (addr)", "case ({2'b00, addr[1:0]})"),
    ("mini_cpu", "{1'b0, acc} - {1'b0, stored}", "{1'b0, acc} + {1'b0, ~stored} + 9'd1"),
    ("mini_cpu", "{acc, carry} <= {carry, acc}", "{acc, carry} <= {1'b0, acc}"),
    ("mini_cpu", "if (op != HALT)\n", ""),
    ("mini_cpu", "memory[instruction[3:0]] <= acc", "memory[instruction[2:0]] <= acc"),
    ("bitonic_sorter8", "assign sorted = down[5]", "assign sorted = down[4]"),
    (
        "bitonic_sorter8",
        "(in[8 * i +: 8] > in[8 * (i + DISTANCE) +: 8])",
        "($signed(in[8 * i +: 8]) > $signed(in[8 * (i + DISTANCE) +: 8]))",
    ),
    ("bitonic_sorter8", "if (rst)\n            valid <= 6'd0;\n        else if (en)", "if (en)"),
    ("bitonic_sorter8", ".DISTANCE(2), .RUN(8)", ".DISTANCE(2), .RUN(4)"),
]  # fmt: skip


def test_it_spans_the_usual_kinds_of_circuit() -> None:
    assert Counter(problem.size for problem in PROBLEMS.values()) == {"small": 20, "medium": 25, "large": 15}
    kinds = Counter(problem.category for problem in PROBLEMS.values())
    assert set(kinds) == {"arithmetic", "memory", "control", "miscellaneous"}
    assert min(kinds.values()) >= 12
    assert sum(problem.bench.kind == "cocotb" for problem in PROBLEMS.values()) == 22


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_the_reference_passes_and_has_the_header_that_is_asked_for(problem: Problem) -> None:
    verdict = Icarus().run(problem.reference, problem.bench, LIMITS)
    assert verdict.status == "pass", verdict.log_tail
    assert contradiction(problem) is None
    headers = [text.partition(");")[0].split() for text in (problem.interface or "", problem.reference or "")]
    assert [word for word in headers[0] if word != "reg"] == [word for word in headers[1] if word != "reg"]


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG)
def test_a_wrong_design_is_a_mismatch(name: str, right: str, wrong: str) -> None:
    reference = PROBLEMS[name].reference
    assert reference is not None
    assert right in reference
    verdict = Icarus().run(reference.replace(right, wrong), PROBLEMS[name].bench, LIMITS)
    assert verdict.status == "mismatch", (verdict.diagnostics, verdict.log_tail)


def test_every_problem_has_wrong_designs() -> None:
    assert {name for name in PROBLEMS if sum(wrong[0] == name for wrong in WRONG) < 3} == set()


@pytest.mark.parametrize("name", ["majority5", "decade_counter", "rom_lookup", "hamming_decoder", "lifo_stack"])
def test_its_benches_kill_mutants(name: str) -> None:
    """A sample; `autovcoder eval teeth --suite builtin --mutants 40` measures all of them (docs/teeth.md)."""
    teeth = measure(PROBLEMS[name].reference or "", PROBLEMS[name].bench, Icarus(), count=12)
    assert teeth.killed >= 5
    assert teeth.rate is not None
    assert teeth.rate >= 0.9, teeth.survivors
