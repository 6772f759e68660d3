"""What designs are driven with, and that the bench shows what they answer: the answers are worked out here again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Direction, Port
from hdl_sim.icarus import Icarus
from hdl_sim.roles import Roles
from hdl_sim.stated_examples import Example, Examples
from hdl_sim.stimulus import Row, Stimulus, example_stimuli, hex_line, stimulus
from hdl_sim.traces import examples_met, trace

CYCLES, RESET_ROWS = 40, 4


def port(name: str, width: int | None = 1, direction: Direction = "input") -> Port:
    return Port(name=name, direction=direction, width=width)


Y = port("y", 1, "output")
CLOCKED = Roles(("clk",), {"rst": 1, "clr_n": 0})


def made(ports: list[Port], used: Roles = Roles()) -> Stimulus:  # noqa: B008 - it is frozen
    found = stimulus(ports, used)
    assert found is not None
    return found


PORTS = st.lists(
    st.builds(port, st.sampled_from(["clk", "rst", "clr_n", "a", "b", "c", "sel"]), st.integers(1, 70)),
    max_size=5,
    unique_by=lambda found: found.name,
).map(lambda found: [port(p.name, 1) if p.name in ("clk", "rst", "clr_n") else p for p in found])
OUTPUTS = st.lists(st.integers(1, 3000), min_size=1, max_size=2).map(
    lambda widths: [port(f"y{number}", width, "output") for number, width in enumerate(widths)]
)


@settings(max_examples=25, deadline=None)
@given(PORTS, OUTPUTS)
def test_one_interface_has_one_stimulus_that_fits_its_ports(inputs: list[Port], outputs: list[Port]) -> None:
    names = {found.name for found in inputs}
    clocks = tuple(name for name in CLOCKED.clocks if name in names)
    used = Roles(clocks, {name: level for name, level in CLOCKED.resets.items() if name in names})
    first = made([*inputs, *outputs], used)
    assert first == made([*inputs, *outputs], used)
    assert {*(found.name for found in first.inputs), *first.clocks} == names
    assert list(first.outputs) == outputs
    widths = {found.name: found.width or 1 for found in inputs}
    assert all(row.keys() == names for row in first.rows)
    assert all(0 <= value < 1 << widths[name] for row in first.rows for name, value in row.items())
    assert 1 <= len(first.rows) * first.looks * sum(found.width or 1 for found in outputs) <= 1_000_000


def test_few_inputs_see_every_combination_twice_in_two_orders() -> None:
    rows = made([port("a", 3), port("b", 2), Y]).rows
    every = sorted((a, b) for a in range(8) for b in range(4))
    halves = [[(row["a"], row["b"]) for row in half] for half in (rows[:32], rows[32:])]
    assert [sorted(half) for half in halves] == [every, every]
    assert halves[0] != halves[1]


def test_many_inputs_see_zeros_ones_each_bit_alone_and_equal_values() -> None:
    rows = made([port("a", 16), port("b", 16), Y]).rows
    assert {"a": 0, "b": 0} in rows
    assert {"a": 65535, "b": 65535} in rows
    for bit in range(16):
        assert {"a": 1 << bit, "b": 0} in rows
        assert {"a": 0, "b": 1 << bit} in rows
    assert sum(row["a"] == row["b"] for row in rows) > 20
    assert any(row["a"] == row["b"] + 1 for row in rows)
    assert len({(row["a"], row["b"]) for row in rows}) > 200
    assert 300 < len(rows) < 500


def episodes(found: Stimulus) -> list[tuple[Row, ...]]:
    rows = (*found.opening, *found.rows)
    return [rows[start : start + 2 * CYCLES] for start in range(0, len(rows), 2 * CYCLES)]


def test_each_episode_begins_with_resets_at_their_own_levels() -> None:
    drawn = made([port("clk"), port("rst"), port("clr_n"), port("d", 4), Y], CLOCKED)
    found = episodes(drawn)
    assert len(found) == 10
    assert drawn.opening == found[0][:RESET_ROWS]
    for number, rows in enumerate(found):
        assert all((row["rst"], row["clr_n"]) == (1, 0) for row in rows[:RESET_ROWS])
        levels = [(row["rst"], row["clr_n"]) for row in rows[RESET_ROWS:]]
        if number % 3 == 2:
            assert levels.count((0, 1)) > len(levels) / 2
        else:
            assert set(levels) == {(0, 1)}
    later = [row for number in (2, 5, 8) for row in found[number][RESET_ROWS:]]
    assert any(row["rst"] == 1 for row in later)
    assert any(row["clr_n"] == 0 for row in later)


def test_the_clock_toggles_and_inputs_change_in_both_halves_of_its_period() -> None:
    rows = made([port("clk"), port("d", 4), port("e"), Y], Roles(("clk",))).rows
    assert [row["clk"] for row in rows[:4]] == [1, 0, 1, 0]
    assert all(one["clk"] != two["clk"] for one, two in pairwise(rows))
    for name in ("d", "e"):
        changed_at = {two["clk"] for one, two in pairwise(rows) if one[name] != two[name]}
        assert changed_at == {0, 1}


def test_episodes_differ_in_how_often_an_input_changes() -> None:
    drawn = made([port("clk"), port("d"), Y], Roles(("clk",)))
    assert not drawn.opening
    changes = [sum(one["d"] != two["d"] for one, two in pairwise(part)) for part in episodes(drawn)]
    assert min(changes) < 10
    assert max(changes) > 25


def test_a_second_clock_has_edges_of_its_own() -> None:
    rows = made([port("clk"), port("clk2"), Y], Roles(("clk", "clk2"))).rows
    steps = {(one["clk2"] - two["clk2"], one["clk"] - two["clk"]) for one, two in pairwise(rows)}
    assert {step[0] for step in steps} == {-1, 0, 1}


def test_wide_outputs_are_watched_for_fewer_rows() -> None:
    inputs = [port("a", 8), port("b", 8)]
    assert len(made([*inputs, port("y", 10_000, "output")]).rows) == 100
    assert len(made([port("clk"), port("y", 10_000, "output")], Roles(("clk",))).rows) == 50
    assert stimulus([*inputs, port("y", 3_000_000, "output")], Roles()) is None
    assert stimulus([port(f"clk{number}") for number in range(20_000)] + [Y], Roles()) is None


@pytest.mark.parametrize(
    "ports",
    [[port("a")], [], [port("a", None), Y], [port("a"), port("y", None, "output")], [port("p", 1, "inout"), Y]],
)
def test_what_cannot_be_driven_or_shows_nothing_has_no_stimulus(ports: list[Port]) -> None:
    assert stimulus(ports, Roles()) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 70).flatmap(lambda n: st.tuples(st.integers(0, (1 << n) - 1), st.just(n))), min_size=1))
def test_a_line_holds_its_values_side_by_side(fields: list[tuple[int, int]]) -> None:
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    line = hex_line(fields)
    assert int(line, 16) == int(text, 2)
    assert len(line) == (len(text) + 3) // 4
    assert hex_line([(value + (1 << width), width) for value, width in fields]) == line


# ---- in the simulator ----------------------------------------------------------------------------


def test_the_bench_prints_what_a_design_without_a_clock_answers() -> None:
    design = """module top(input [3:0] a, input [6:0] b, input c, output [7:0] s, output p);
        assign s = c ? a + b : a ^ b;
        assign p = ^b;
    endmodule"""
    ports = [port("a", 4), port("b", 7), port("c"), port("s", 8, "output"), port("p", 1, "output")]
    given_ = made(ports)
    wanted = []
    for row in given_.rows:
        s = row["a"] + row["b"] if row["c"] else row["a"] ^ row["b"]
        wanted.append(f"{s:08b}{row['b'].bit_count() % 2}")
    assert trace(Icarus(), design, "top", given_) == tuple(wanted)


COUNTER = """module helper(input a, output b); assign b = a; endmodule
module top(input clk, input rst_n, input [1:0] d, output reg [3:0] q, output now);
    always @(posedge clk or negedge rst_n) if (!rst_n) q <= 0; else q <= q + d;
    assign now = clk & d[0];
endmodule"""


def test_the_bench_prints_what_a_design_answers_before_and_behind_each_edge() -> None:
    ports = [port("clk"), port("rst_n"), port("d", 2), port("q", 4, "output"), port("now", 1, "output")]
    given_ = made(ports, Roles(("clk",), {"rst_n": 0}))
    wanted, clk, q = [], 0, 0
    for row in given_.rows:
        q = q if row["rst_n"] else 0
        wanted.append(f"{q:04b}{clk & row['d'] & 1}")
        if row["clk"] > clk and row["rst_n"]:
            q = (q + row["d"]) % 16
        clk = row["clk"]
        wanted.append(f"{q:04b}{clk & row['d'] & 1}")
    seen = trace(Icarus(), COUNTER, "top", given_)
    assert seen == tuple(wanted)
    assert trace(Icarus(), COUNTER.replace("output now", "output later"), "top", given_) is None
    assert trace(Icarus(), COUNTER, "helper", given_) is None


def test_unknown_and_released_outputs_are_shown_as_such() -> None:
    design = (
        "module top(input a, output x, output z); assign x = a ? 1'bx : 1'b0; assign z = a ? 1'b1 : 1'bz; endmodule"
    )
    given_ = made([port("a"), port("x", 1, "output"), port("z", 1, "output")])
    assert trace(Icarus(), design, "top", given_) == tuple("x1" if row["a"] else "0z" for row in given_.rows)


def test_a_module_without_inputs_and_one_with_nothing_but_a_clock_are_driven() -> None:
    constant = made([port("y", 2, "output")])
    assert set(trace(Icarus(), "module top(output [1:0] y); assign y = 2'd2; endmodule", "top", constant) or ()) == {
        "10"
    }
    ticking = made([port("clk"), Y], Roles(("clk",)))
    seen = trace(Icarus(), "module top(input clk, output y); assign y = clk; endmodule", "top", ticking)
    assert seen is not None
    assert seen[:5] == ("0", "1", "1", "0", "0")


def test_examples_that_stand_alone_are_driven_in_their_order() -> None:
    rows = (Example({"a": 2}, {"y": "1"}), Example({"b": 1, "a": 3}, {"y": "0"}))
    (found,) = example_stimuli(Examples(rows, in_time=False), [port("a", 2), port("b"), Y], ())
    assert found.rows == ({"a": 2, "b": 0}, {"a": 3, "b": 1})
    assert (found.clocks, found.outputs, found.looks) == ((), (Y,), 1)


# A register at the rising edge: d changes together with the clock, so that either order makes sense.
WAVE = [(0, 0, "x"), (1, 1, "{first}"), (0, 1, "{first}"), (1, 0, "{second}"), (0, 0, "{second}")]
REGISTER = "module top(input clk, input d, output reg y); always @(posedge clk) y <= d; endmodule"


@pytest.mark.parametrize(("first", "second"), [("1", "0"), ("0", "1")])
def test_a_waveform_may_show_inputs_before_or_behind_the_edge_they_change_with(first: str, second: str) -> None:
    rows = tuple(Example({"clk": clk, "d": d}, {"y": y.format(first=first, second=second)}) for clk, d, y in WAVE)
    shown, ports = Examples(rows, in_time=True), [port("clk"), port("d"), Y]
    assert len(example_stimuli(shown, ports, ("clk",))) == 2
    assert len(example_stimuli(shown, ports, ())) == 1
    assert examples_met(Icarus(), REGISTER, "top", shown, ports, ("clk",)) == (True,) * 4
    stuck = REGISTER.replace("<= d", "<= 1'b1")
    assert sum(examples_met(Icarus(), stuck, "top", shown, ports, ("clk",)) or ()) == 2


def test_examples_of_what_cannot_be_driven_are_not_met_and_not_missed() -> None:
    shown = Examples((Example({"a": 0}, {"y": "1"}), Example({"a": 1}, {"y": "x"})), in_time=False)
    ports = [port("a"), Y]
    good = "module top(input a, output y); assign y = ~a; endmodule"
    assert examples_met(Icarus(), good, "top", shown, ports, ()) == (True,)
    assert examples_met(Icarus(), good.replace("~a", "a"), "top", shown, ports, ()) == (False,)
    assert examples_met(Icarus(), good, "other", shown, ports, ()) is None
