"""Which of several designs is chosen without a testbench, and why: real designs in the real simulator."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from autovcoder.errors import InputError
from autovcoder.records import Bench, Port
from hdl_sim.consensus import Selection, confidence, select
from hdl_sim.icarus import Icarus
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.limits import Limits
from hdl_sim.roles import Roles
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.statement import Stated, stated_interface
from hdl_sim.stimulus import observing_bench, stimulus
from hdl_sim.traces import trace

from .test_hostile import DESIGNS, HONEST, MARK, Hostile, text_of

SPEC = "A gate with two inputs."


class Counting(Icarus):
    """The real simulator, with a count of the designs that it was given to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def printed(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        self.seen[design] += 1
        return super().printed(design, bench, limits)


def gate(expression: str, width: int = 1) -> str:
    word = f"[{width - 1}:0] " if width > 1 else ""
    return f"module top(input a, input b, output {word}y);\n  assign y = {expression};\nendmodule\n"


def chosen(*designs: str | None, spec: str = SPEC) -> Selection:
    return select(designs, spec, Stated("top"), Icarus())


def members(selection: Selection) -> list[tuple[int, ...]]:
    return [group.members for group in selection.groups]


# ---- which one -----------------------------------------------------------------------------------


def test_the_majority_wins_and_the_difference_is_shown() -> None:
    found = chosen(gate("a | b"), gate("a & b"), None, gate("b & a"))
    assert found.best == 1
    assert (found.agreeing, found.of, found.simulated) == (2, 4, 3)
    assert found.confidence == confidence(2, 4)
    assert members(found) == [(1, 3), (0,)]
    assert found.not_driven == {}
    assert (found.groups[0].difference, found.groups[0].against, found.groups[1].against) == (None, (), ())
    difference = found.groups[1].difference
    assert difference is not None
    assert difference.inputs in ({"a": "1", "b": "0"}, {"a": "0", "b": "1"})
    assert (difference.chosen, difference.other) == ({"y": "0"}, {"y": "1"})


def test_only_outputs_that_differ_are_named_with_inputs_in_hexadecimal() -> None:
    text = "module top(input [7:0] a, output [3:0] p, output [3:0] q); assign p = a; assign q = {}; endmodule"
    found = chosen(*[text.format(q) for q in ("a >> 4", "a / 16", "a == 8'hab ? 0 : a >> 4")])
    assert members(found) == [(0, 1), (2,)]
    difference = found.groups[1].difference
    assert difference is not None
    assert (difference.inputs, difference.chosen, difference.other) == ({"a": "ab"}, {"q": "1010"}, {"q": "0000"})
    rows = stimulus([port("a", 8), port("p", 4, "output"), port("q", 4, "output")], Roles())
    assert rows is not None
    assert rows.rows[difference.step] == {"a": 0xAB}


def test_with_a_clock_the_inputs_are_those_at_the_step_of_the_difference() -> None:
    text = (
        "module top(input clk, input [3:0] d, output reg [3:0] q, output y);"
        " always @(posedge clk) q <= d; assign y = {}; endmodule"
    )
    found = chosen(*[text.format(y) for y in ("d[0]", "d % 2", "d == 4'hb ? 1'b0 : d[0]")])
    assert members(found) == [(0, 1), (2,)]
    difference = found.groups[1].difference
    assert difference is not None
    assert difference.inputs["d"] == "b"
    assert (difference.chosen, difference.other) == ({"y": "1"}, {"y": "0"})


def test_what_comes_before_the_first_reset_is_no_difference() -> None:
    text = (
        "module top(input clk, input rst, input d, output y); reg [1:0] q{start};"
        " always @(posedge clk) if (rst) q <= 2'd0; else q <= {{q[0], d}};"
        " assign y = {y}; endmodule"
    )
    right = [text.format(start=start, y=y) for start in ("", " = 2'd3") for y in ("q == 2'd2", "(q === 2'd2)")]
    found = chosen(text.format(start="", y="q == 2'd1"), *right)
    assert members(found) == [(1, 2, 3, 4), (0,)]


def test_what_a_later_reset_does_is_a_difference() -> None:
    text = "module top(input clk, input rst, output reg [3:0] q); always @(posedge clk{}) {} endmodule"
    count = "if (rst) q <= 4'd0; else q <= q + 4'd1;"
    once = f"begin q <= q + 4'd1; {count} end"
    found = chosen(*[text.format("", body) for body in (count, once)], text.format(" or posedge rst", count))
    assert members(found) == [(0, 1), (2,)]


def port(name: str, width: int = 1, direction: str = "input") -> Port:
    return Port.model_validate({"name": name, "direction": direction, "width": width})


def test_the_order_of_the_answers_does_not_matter() -> None:
    right, wrong = [gate("a ^ b"), gate("b ^ a")], [gate("a"), gate("b")]
    for designs in ([*right, *wrong], [*wrong, *right], [wrong[0], right[0], wrong[1], right[1]]):
        found = chosen(*designs)
        assert found.best is not None
        assert designs[found.best] in right


TABLE = "Like this:\n\na b y\n0 0 0\n0 1 1\n1 0 1\n1 1 0\n"


def test_examples_beat_the_majority() -> None:
    designs = (gate("a | b"), gate("b | a"), gate("a ^ b"), gate("1'b1"))
    assert chosen(*designs).best == 0
    found = chosen(*designs, spec=TABLE)
    assert (found.best, found.agreeing, found.examples) == (2, 1, (4, 4))
    assert [group.against[:1] for group in found.groups] == [
        (),
        ("contradicts 1 of 4 examples of the specification",),
        ("contradicts 2 of 4 examples of the specification",),
    ]


def test_where_all_contradict_examples_the_fewest_do_the_least_harm() -> None:
    found = chosen(gate("~(a ^ b)"), gate("a ~^ b"), gate("a | b"), spec=TABLE)
    assert (found.best, found.examples, found.groups[0].against) == (2, (4, 3), ())


WAVE = "time clk d q\n0 0 0 x\n5 1 1 {}\n10 0 1 {}\n15 1 0 {}\n20 0 0 {}\n"


def test_a_waveform_beats_the_majority() -> None:
    text = "module top(input clk, input d, output reg q); always @({}) q <= {}; endmodule"
    designs = [text.format("posedge clk", "~d"), text.format("posedge clk", "!d"), text.format("negedge clk", "d")]
    found = chosen(*designs, spec="A register, triggered as here.\n" + WAVE.format("x", 1, 1, 0))
    assert (found.best, found.examples) == (2, (3, 3))


def register(event: str, reset: str, then: str = "d") -> str:
    return (
        f"module top(input clk, input rst, input d, output reg q);\n"
        f"  always @({event}) if ({reset}) q <= 0; else q <= {then};\nendmodule\n"
    )


SYNCHRONOUS = register("posedge clk", "rst")
ASYNCHRONOUS = [register("posedge clk or posedge rst", "rst"), register("posedge rst, posedge clk", "rst == 1'b1")]


def test_the_stated_kind_of_reset_beats_the_majority() -> None:
    assert chosen(SYNCHRONOUS, *ASYNCHRONOUS).best == 1
    found = chosen(*ASYNCHRONOUS, SYNCHRONOUS, spec="A register with a synchronous reset.")
    assert found.best == 2
    assert found.groups[1].against[0] == "its reset is asynchronous, the specification says synchronous"
    assert members(found) == [(2,), (0, 1)]
    assert found.groups[1].difference is not None
    assert chosen(SYNCHRONOUS, *ASYNCHRONOUS, spec="A register with an asynchronous reset.").best == 1


def test_the_stated_edge_beats_the_majority() -> None:
    rising = [SYNCHRONOUS, register("posedge clk", "rst == 1'b1")]
    found = chosen(*rising, register("negedge clk", "rst"), spec="Triggered at the negative edge of clk.")
    assert found.best == 2
    assert found.groups[1].against[0] == "it acts at no negedge of the clock, as the specification says"


def test_examples_weigh_more_than_the_kind_of_reset() -> None:
    spec = "With a synchronous reset.\ntime clk rst d q\n0 0 0 1 x\n5 1 0 1 1\n10 0 0 1 1\n"
    wrong = register("posedge clk", "rst", "~d")
    assert chosen(wrong, ASYNCHRONOUS[0], spec=spec).best == 1
    assert chosen(wrong, ASYNCHRONOUS[0], SYNCHRONOUS, spec=spec).best == 2


def latch(name: str) -> str:
    return f"module top(input a, input b, output reg y); always @* begin : {name} if (a) y = b; end endmodule\n"


def test_what_remembers_is_set_aside_where_nothing_should() -> None:
    designs = (latch("one"), latch("two"), gate("a & b"))
    found = chosen(*designs)
    assert found.best == 2
    assert "remembers what it should compute anew" in found.groups[1].against
    found = chosen(*designs, spec="Build a D latch; a is its enable.")
    assert (found.best, found.groups[0].members) == (0, (0, 1))


def test_outputs_that_never_change_are_set_aside() -> None:
    found = chosen(gate("1'b0"), gate("a & ~a"), gate("a & b"))
    assert (found.best, found.groups[1].members) == (2, (0, 1))
    assert found.groups[1].against == ("its outputs never change",)


def test_outputs_that_never_change_win_where_there_is_nothing_else() -> None:
    assert members(chosen(gate("1'b1"), gate("1'b0"), gate("a & ~a"))) == [(1, 2), (0,)]


def test_what_nearly_all_agree_on_may_rest_for_as_long_as_the_stimulus_lasts() -> None:
    text = (
        "module top(input clk, input rst, output reg q); reg [11:0] n;"
        " always @(posedge clk) if (rst) begin n <= 0; q <= 0; end else begin n <= n + {}; if (n == 0) q <= ~q; end"
        " endmodule"
    )
    slow = "module top(input clk, input rst, output q); reg [11:0] n; assign q = n[11];"
    slow += " always @(posedge clk) if (rst) n <= 0; else n <= n + 1; endmodule"
    found = chosen(text.format(1), slow, slow, slow, slow)
    assert members(found) == [(1, 2, 3, 4), (0,)]
    assert members(chosen(text.format(1), slow, slow, slow)) == [(0,), (1, 2, 3)]


def test_unknown_outputs_are_set_aside_behind_those_that_never_change() -> None:
    found = chosen(gate("1'bx"), gate("1'bz"), gate("a & b"), gate("1'b0"))
    assert found.best == 2
    assert {group.members: group.against for group in found.groups[1:]} == {
        (0,): ("its outputs are unknown",),
        (1,): ("its outputs are unknown",),
        (3,): ("its outputs never change",),
    }
    assert chosen(gate("1'bx"), gate("1'bz"), gate("1'b0")).best == 2


def test_a_bit_that_never_changes_though_it_does_in_most_is_set_aside() -> None:
    stuck = [gate("{1'b0, a}", 2), gate("{1'b0, a & a}", 2)]
    found = chosen(*stuck, gate("{b, a}", 2), gate("{a, b}", 2), gate("{b, ~a}", 2))
    assert found.best in (2, 3, 4)
    assert {group.members: group.against for group in found.groups if group.against} == {
        (0, 1): ("1 of its output bits never change, as they do in most",)
    }
    # Where most hold that bit, it is no fault.
    assert chosen(*stuck, gate("{b, a}", 2)).groups[0].members == (0, 1)


def test_of_equal_groups_the_one_with_the_fewest_unknown_bits_wins() -> None:
    unsure, sure = gate("a ? b : 1'bx"), gate("a & b")
    assert chosen(unsure, sure).best == 1
    assert chosen(sure, unsure).best == 0


@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_equal_groups_the_closest_to_all_wins(place: int) -> None:
    # b differs from each of the others in one of four rows, they from each other in two.
    designs = [gate("a & b"), gate("a | b")]
    designs.insert(place, gate("b"))
    assert chosen(*designs).best == place


def test_identical_text_is_simulated_once() -> None:
    simulator, one, two = Counting(), gate("a & b"), gate("a | b")
    found = select([one, two, one, one], SPEC, Stated("top"), simulator)
    assert simulator.seen == {one: 1, two: 1}
    assert (found.simulated, found.agreeing, found.groups[0].members) == (2, 3, (0, 2, 3))


def test_processes_and_threads_choose_alike() -> None:
    designs = [gate(text) for text in ("a", "b", "a & b", "b & a", "a | b")]
    for workers in (1, 4):
        assert select(designs, TABLE, Stated("top"), IcarusPool(), workers=workers) == chosen(*designs, spec=TABLE)


# ---- how sure ------------------------------------------------------------------------------------


def test_confidence_grows_with_agreement() -> None:
    for of in (2, 3, 5, 10, 50):
        sure = [confidence(agreeing, of) or 0.0 for agreeing in range(1, of + 1)]
        assert sure == sorted(set(sure))
        assert 0 < sure[0] < 0.5
        assert 0.5 < sure[-1] < 1


@pytest.mark.parametrize(("agreeing", "of"), [(1, 1), (0, 5), (0, 0)])
def test_nothing_to_compare_gives_no_confidence(agreeing: int, of: int) -> None:
    assert confidence(agreeing, of) is None


def test_a_single_design_is_chosen_without_confidence() -> None:
    found = chosen(gate("a"))
    assert (found.best, found.confidence, found.agreeing, found.of) == (0, None, 1, 1)


# ---- what cannot be driven -----------------------------------------------------------------------


@pytest.mark.parametrize("designs", [[], [None], [None, None], ["no code at all", None]])
def test_without_designs_there_is_no_choice(designs: list[str | None]) -> None:
    found = chosen(*designs)
    assert (found.best, found.confidence, found.groups, found.of) == (None, None, (), len(designs))


@pytest.mark.parametrize(
    "text",
    [
        "module top(input a, inout y); assign y = a; endmodule",
        "module top(input a); endmodule",
    ],
)
def test_an_interface_that_cannot_be_watched_is_told(text: str) -> None:
    found = chosen(text, text)
    assert (found.best, found.simulated) == (None, 0)
    assert found.not_driven == dict.fromkeys((0, 1), "a port's width is not known, or there is no output")


def test_what_has_other_ports_than_most_is_not_driven() -> None:
    wide = gate("{a, b}", 2)
    found = chosen(wide, gate("a"), None, gate("b"), gate("a & b").replace("input b", "input c, input b"))
    assert found.best in (1, 3)
    assert found.not_driven == dict.fromkeys((0, 4), "its ports are not those of most")
    assert (found.of, found.simulated) == (5, 2)


def test_the_order_of_ports_is_no_difference() -> None:
    turned = "module top(output y, input b, input a); assign y = a & b; endmodule"
    assert chosen(turned, gate("a & b")).agreeing == 2


def test_what_does_not_compile_in_icarus_is_not_driven() -> None:
    broken = gate("a & nowhere")
    found = chosen(broken, gate("a & b"), gate("b & a"))
    assert (found.best, list(found.not_driven)) == (1, [0])


OSCILLATING = """module top(input a, input b, output y);
  reg p = 0, q = 0;
  always @(a or p) if (a) q = ~p;
  always @(q) p = q;
  assign y = a & b & (p | ~p);
endmodule
"""


def test_what_never_comes_to_rest_is_not_driven_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdl_sim.traces.LIMITS", Limits(wall_s=60.0, cpu_s=1, output_kb=4096))
    found = chosen(OSCILLATING, gate("a & b"), OSCILLATING, gate("b & a"))
    reason = "it does not compile with these ports, or does not come to rest"
    assert found.not_driven == {0: reason, 2: reason}
    assert (found.best, found.agreeing, found.of) == (1, 2, 4)
    assert found.confidence == confidence(2, 4)


def test_the_module_that_is_asked_for_is_driven_and_not_its_helper() -> None:
    helper = "module helper(input a, input b, output y); assign y = a | b; endmodule\n"
    text = helper + "module top(input a, input b, output y); helper h(~a, ~b, n); wire n; assign y = ~n; endmodule\n"
    turned = text.replace("wire n; ", "").replace("helper h", "wire n; helper h")
    assert chosen(turned, gate("a & b"), gate("a")).agreeing == 2
    stated = stated_interface("Name the module helper.")
    assert select([turned, helper, helper.replace("a | b", "a")], SPEC, stated, Icarus()).groups[0].members == (0, 1)


def test_without_a_stated_name_the_module_that_no_other_uses_is_driven() -> None:
    found = select([gate("a").replace("top", "one"), gate("a & a").replace("top", "two")], SPEC, Stated(), Icarus())
    assert found.agreeing == 2


ESCAPED = {
    "port": "module top(input \\a+b , output y); assign y = \\a+b ; endmodule",
    "keyword": "module top(input \\reg , output y); assign y = \\reg ; endmodule",
    "module": "module \\top+ (input a, output y); assign y = a; endmodule",
}
UNUSUAL = {
    "array of words": "module top(input [3:0] a [0:1], output y); assign y = a[0][0] & a[1][1]; endmodule",
    "structure": "module top(input struct packed {logic a; logic b;} s, output y); assign y = s.a & s.b; endmodule",
    "real number": "module top(input real a, output y); assign y = a > 0.5; endmodule",
    "the bench's name": "module tb(input a, output y); assign y = a; endmodule",
    "the bench's signals": "module top(input row, input vectors, output dut); assign dut = row & vectors; endmodule",
    "below zero": "module top(input [0:3] a, output [-1:2] y); assign y = a; endmodule",
    "concatenated ports": "module top({a, b}, y); input a, b; output y; assign y = a & b; endmodule",
    "named expressions": "module top(.p(a), .y(b)); input a; output b; assign b = a; endmodule",
}


def check_alone(text: str) -> None:
    """A design, answered twice, is either driven or not; with a plain one beside it there is always a choice."""
    found = select([text, None, text], SPEC, Stated(), Icarus())
    assert (found.best, [*found.not_driven]) in ((None, [0, 2]), (0, []))
    plain = gate("a & b")
    assert select([text, plain, plain + "// the same"], SPEC, Stated(), Icarus()).best is not None


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_ports_do_not_end_the_choice(name: str) -> None:
    check_alone(UNUSUAL[name])


@pytest.mark.parametrize("name", ESCAPED)
def test_escaped_names_do_not_end_the_choice(name: str) -> None:
    check_alone(ESCAPED[name])


@pytest.mark.parametrize("name", ["initial#7$finish;helper", "wire[3:0]more=5;helper"])
def test_a_name_is_no_way_into_the_testbench(name: str) -> None:
    helper = "module helper(input a, output y); assign y = a; endmodule\n"
    design = f"{helper}module \\{name} (input a, output y); assign y = 1'b0; endmodule\n"
    found = stimulus([port("a"), port("y", 1, "output")], Roles())
    assert found is not None
    with pytest.raises(InputError, match="not a plain name"):
        observing_bench(found, name)
    assert trace(Icarus(), design, name, found) is None


# ---- hostile designs -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watching() -> Bench:
    ports = [port("clk"), port("a", 4), port("b", 4), port("q", 4, "output")]
    found = stimulus(ports, Roles(("clk",)))
    assert found is not None
    bench = observing_bench(found, "top_module")
    assert len(Icarus().printed(HONEST, bench).splitlines()) == 1600
    return bench


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_a_hostile_design_gets_nothing_printed(design: Hostile, watching: Bench, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(f"{MARK}\n")
    limits = Limits(wall_s=120, cpu_s=1, memory_mb=256)
    lines = Icarus().printed(text_of(design, canary), watching, limits).decode().splitlines()
    if design.owed("counts") == ["forbidden"]:
        assert lines == []
    assert len(lines) <= 1600
    assert all(re.fullmatch("[01xz]{4}", line) for line in lines)
