"""Waveforms from a real simulation, and a reader of dumps that nothing in a dump can break."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Bench, PassRule, Signal, Waveform
from hdl_sim.dump import MAX_DUMP_BYTES, Dump, read_vcd
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.waves import AFTER, BEFORE, around_mismatch, first_difference, waveform

# In the way of the VerilogEval benches: reference and design side by side, compared at every edge.
PAIRED = """`timescale 1ns/1ps
module good(input clk, input [3:0] d, output reg [3:0] q);
  always @(posedge clk) q <= d;
endmodule
module tb;
  reg clk = 0; reg [3:0] d = 0; integer i;
  wire [3:0] q_ref, q_dut; reg [511:0] title = "not wired to the design";
  wire tb_mismatch = q_ref !== (q_ref ^ q_dut ^ q_ref);
  integer bad = 0;
  good good1(.clk(clk), .d(d), .q(q_ref));
  top_module dut(.clk, .d, .q(q_dut));
  initial begin $dumpfile("bench.vcd"); $dumpvars(0, tb); end
  initial begin
    for (i = 0; i < 60; i = i + 1) begin
      #5 clk = 1; #5 clk = 0; if (tb_mismatch) bad = bad + 1; d = d + 1;
    end
    $display("Mismatches: %0d in %0d samples", bad, 60);
    $finish;
  end
endmodule
"""
PLAIN = """module tb;
  reg a = 0; wire y; integer bad = 0;
  top_module dut(.a(a), .y(y));
  initial begin
    #10 if (y !== ~a) bad = bad + 1;
    a = 1; #10 if (y !== ~a) bad = bad + 1;
    $display("Mismatches: %0d in 2 samples", bad);
    $finish;
  end
endmodule
"""


def bench(text: str) -> Bench:
    return Bench(kind="verilog", sources={"tb.sv": text}, top="tb", pass_rule=PassRule(kind="mismatch_count"))


def register(q: str) -> str:
    return (
        f"module top_module(input clk, input [3:0] d, output reg [3:0] q);\n always @(posedge clk) q <= {q};\nendmodule"
    )


def signal(wave: Waveform, name: str) -> Signal:
    return next(signal for signal in wave.signals if signal.name == name)


def value_at(signal: Signal, time: int) -> str:
    before = [value for at, value in signal.changes if at <= time]
    return before[-1] if before else "x" * signal.width


def test_a_waveform_is_around_the_first_mismatch_of_what_is_expected_and_got() -> None:
    # Right until d reaches 7: after 60 ns of clock periods, at the edge at 75 ns.
    wave = waveform(Icarus(), register("d == 7 ? 4'b1x0z : d"), bench(PAIRED))
    assert wave is not None
    assert [signal.name for signal in wave.signals] == ["clk", "d", "q_ref", "q_dut", "tb_mismatch"]
    assert (wave.timescale, wave.mismatch) == ("1 ps", 75_000)
    assert wave.differences == {"q": 75_000}
    assert value_at(signal(wave, "q_ref"), 75_000) == "0111"
    assert value_at(signal(wave, "q_dut"), 75_000) == "1x0z"
    assert value_at(signal(wave, "tb_mismatch"), 74_999) == "0"
    assert value_at(signal(wave, "tb_mismatch"), 75_000) == "1"
    assert signal(wave, "d").bits == "[3:0]"
    times = {time for row in wave.signals for time, _ in row.changes}
    assert sum(time < 75_000 for time in times) == BEFORE
    assert sum(time >= 75_000 for time in times) == AFTER
    assert 0 < wave.start < 75_000 < wave.end < 600_000


def test_without_pairs_in_the_bench_the_reference_says_what_is_expected() -> None:
    one = "module top_module(input a, output y); assign y = {}; endmodule"
    design, reference = one.format("1'b1"), one.format("~a")
    wave = waveform(Icarus(), design, bench(PLAIN), reference=reference)
    assert wave is not None
    assert [signal.name for signal in wave.signals] == ["a", "y_ref", "y_dut"]
    assert (wave.mismatch, wave.differences) == (10, {"y": 10})
    alone = waveform(Icarus(), design, bench(PLAIN))
    assert alone is not None
    assert ([signal.name for signal in alone.signals], alone.mismatch) == (["a", "y"], None)


def test_a_design_that_agrees_has_no_mismatch() -> None:
    wave = waveform(Icarus(), register("d"), bench(PAIRED))
    assert wave is not None
    assert (wave.mismatch, wave.differences, wave.start) == (None, {"q": None}, 0)


def test_what_does_not_come_to_simulation_has_no_waveform() -> None:
    simulator = Icarus()
    assert waveform(simulator, "module top_module(input clk; endmodule", bench(PAIRED)) is None
    spies = "module top_module(input a, output y); initial $dumpvars(0, tb); assign y = a; endmodule"
    assert waveform(simulator, spies, bench(PLAIN)) is None
    assert waveform(simulator, "module top_module(input a, output z); endmodule", bench(PLAIN)) is None
    assert waveform(simulator, "", bench(PLAIN).model_copy(update={"kind": "cocotb"})) is None


def test_a_dump_that_never_ends_is_read_up_to_its_limit() -> None:
    endless = PAIRED.replace("i < 60", "i < 2000000000")
    raw = Icarus().dump(register("d + 1"), bench(endless), Limits(file_mb=4))
    assert len(raw) == MAX_DUMP_BYTES
    wave = waveform(Icarus(), register("d + 1"), bench(endless), limits=Limits(file_mb=4))
    assert wave is not None
    assert wave.mismatch == 5_000
    assert len(wave.model_dump_json()) < 20_000


@pytest.mark.parametrize("late", [100, 1000, 5000])
def test_a_late_mismatch_is_found_and_shown_like_an_early_one(late: int) -> None:
    longer = PAIRED.replace("i < 60", "i < 5500")
    design = register(f"count == {late} ? ~d : d").replace(
        "always", "integer count = 0; always @(posedge clk) count <= count + 1;\n always"
    )
    simulator = Icarus()
    wave = waveform(simulator, design, bench(longer))
    assert wave is not None
    assert wave.mismatch == (10 * late + 5) * 1000
    whole = read_vcd(simulator.dump(design, bench(longer)), "tb")
    for kept in wave.signals:
        shown = [change for change in whole.signals[kept.name].changes if wave.start < change[0] < wave.end]
        assert list(kept.changes[1:]) == shown
    assert len({time for row in wave.signals for time, _ in row.changes}) == BEFORE + AFTER


def test_an_expected_x_is_no_expectation() -> None:
    def row(*changes: tuple[int, str]) -> Signal:
        return Signal(name="y", width=2, changes=changes)

    assert first_difference(row((0, "xx"), (5, "1x")), row((0, "01"), (5, "10"))) is None
    assert first_difference(row((0, "xx"), (5, "1x")), row((0, "01"))) == 5
    assert first_difference(row((3, "11")), row((3, "1x"))) == 3
    assert first_difference(row((3, "11")), row((4, "11"))) == 3


# ---- any dump ------------------------------------------------------------------------------------

WIDTHS = st.lists(st.integers(1, 70), min_size=1, max_size=6)


@st.composite
def simulations(draw: st.DrawFn) -> list[Signal]:
    """Signals with changes at ascending times, each to another value than before."""
    signals = []
    for number, width in enumerate(draw(WIDTHS)):
        times = sorted(draw(st.sets(st.integers(0, 10**12), max_size=30)))
        changes: list[tuple[int, str]] = []
        for time in times:
            value = draw(st.text("01xz", min_size=width, max_size=width))
            if not changes or changes[-1][1] != value:
                changes.append((time, value))
        bits = f"[{width - 1}:0]" if width > 1 else ""
        signals.append(Signal(name=f"s{number}", width=width, bits=bits, changes=tuple(changes)))
    return signals


def shortened(value: str) -> str:
    """A value as simulators write it: without what the reader fills in again on the left."""
    for fill, first in (("x", "x"), ("z", "z"), ("0", "01")):
        while len(value) > 1 and value[0] == fill and value[1] in first:
            value = value[1:]
    return value


def write_vcd(signals: list[Signal]) -> str:
    lines = ["$date today $end", "$timescale 10 ns $end", "$scope module other $end", "$var wire 1 ! s0 $end"]
    lines += ["$upscope $end", "$scope module tb $end"]
    lines += [f"$var reg {row.width} i{n} {row.name} {row.bits} $end" for n, row in enumerate(signals)]
    lines += ["$scope module inside $end", "$var wire 1 ? s0 $end", "$upscope $end", "$upscope $end"]
    lines += ["$enddefinitions $end"]
    for time in sorted({time for row in signals for time, _ in row.changes}):
        lines.append(f"#{time}")
        for number, row in enumerate(signals):
            value = dict(row.changes).get(time)
            if value is not None:
                lines += ["1!", "0?"]
                lines.append(f"{value}i{number}" if row.width == 1 else f"b{shortened(value)} i{number}")
    return "\n".join(lines) + "\n"


@settings(deadline=None, max_examples=60)
@given(simulations())
def test_a_dump_is_read_back_as_it_was_written(signals: list[Signal]) -> None:
    dump = read_vcd(write_vcd(signals).encode(), "tb")
    assert dump.timescale == "10 ns"
    assert dump.signals == {row.name: row for row in signals}


@settings(deadline=None, max_examples=60)
@given(simulations(), st.integers(0, 10**12) | st.none())
def test_a_window_shows_what_was_dumped_and_nothing_else(signals: list[Signal], other: int | None) -> None:
    dump = read_vcd(write_vcd(signals).encode(), "tb")
    given_, changes = signals[0], dict(signals[0].changes)
    if other is not None:
        changes[other] = ("1" if value_at(given_, other)[0] != "1" else "0") * given_.width
    expected = given_.model_copy(update={"name": "y_ref", "changes": tuple(sorted(changes.items()))})
    pairs = {"y": (expected, given_.model_copy(update={"name": "y_dut"}))}
    wave = around_mismatch(dump, signals[1:], pairs)
    assert (wave.mismatch is None) == (other is None)
    assert wave.start < wave.end
    if wave.mismatch is not None:
        assert wave.start <= wave.mismatch <= wave.end
    shown = {row.name: row for row in wave.signals}
    for row in (*pairs["y"], *signals[1:]):
        kept = shown[row.name]
        assert kept.changes[0][0] == wave.start
        for time in {wave.start, *(time for time, _ in row.changes if wave.start <= time < wave.end)}:
            assert value_at(kept, time) == value_at(row, time)
        assert all(wave.start <= time < wave.end for time, _ in kept.changes)


@settings(deadline=None, max_examples=60)
@given(simulations(), st.data())
def test_a_torn_dump_gives_a_part_of_the_whole(signals: list[Signal], data: st.DataObject) -> None:
    text = write_vcd(signals).encode()
    dump = read_vcd(text[: data.draw(st.integers(0, len(text)))], "tb")
    for row in signals:
        if row.name in dump.signals:
            kept = dump.signals[row.name].changes
            assert row.changes[: len(kept)] == kept


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    head = b"$scope module tb $end\n$var wire 8 ! a [7:0] $end\n$upscope $end\n$enddefinitions $end\n#1\nb101 !\n"
    assert isinstance(read_vcd(data, "tb"), Dump)
    assert read_vcd(head + data + b"\n", "tb").signals["a"].changes[0][1] is not None


@pytest.mark.parametrize("bad", ["#" + "9" * 5000, "b1 é", "$var wire 99999999999 % big $end", "$var x", "b", "#-1"])
def test_a_fault_ends_the_reading_and_keeps_what_was_read(bad: str) -> None:
    text = "$scope module tb $end\n$var wire 8 ! a [7:0] $end\n$upscope $end\n$enddefinitions $end\n#1\nb101 !\n"
    dump = read_vcd((text + bad + "\n").encode(), "tb")
    assert dump.signals["a"].changes == ((1, "00000101"),)
    assert list(dump.signals) == ["a"]


def test_a_waveform_of_hundreds_of_wide_signals_stays_small() -> None:
    rows = [Signal(name=f"s{i}", width=4000, changes=((0, "0" * 4000), (5, "1" * 4000))) for i in range(300)]
    pair = (Signal(name="y_ref", width=1, changes=((0, "1"),)), Signal(name="y_dut", width=1, changes=((0, "0"),)))
    wave = around_mismatch(Dump("1 ns", 10, {row.name: row for row in rows}), rows, {"y": pair})
    assert [row.name for row in wave.signals][-2:] == ["y_ref", "y_dut"]
    assert wave.left_out == 302 - len(wave.signals)
    assert len(wave.model_dump_json()) < 150_000
