"""Which inputs are clocks and resets, and at which level a reset acts: by name, and by what most designs do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Port
from hdl_sim.roles import Roles, edges, reset_level, roles


def bits(*names: str) -> list[Port]:
    return [Port(name=name, direction="input") for name in names]


@pytest.mark.parametrize("name", ["clk", "CLK", "clock", "sys_clk", "clk_i", "aclk", "sck", "clk2"])
def test_a_clock_is_known_by_its_name(name: str) -> None:
    assert roles(bits("d", name), []) == Roles((name,), {})


@pytest.mark.parametrize("name", ["d", "lock", "clamp", "back", "en", "pick"])
def test_other_names_are_no_clock(name: str) -> None:
    assert roles(bits(name), []).clocks == ()


@pytest.mark.parametrize("name", ["ack", "rd_ack", "clk_en", "clock_enable"])
def test_what_has_a_clock_in_its_name_is_no_clock(name: str) -> None:
    assert roles(bits(name), []).clocks == ()


def test_a_name_of_several_bits_is_no_clock_and_no_reset() -> None:
    wide = [Port(name=name, direction="input", width=2) for name in ("clk", "reset")]
    design = "always @(posedge clk) if (!reset) q <= d;"
    assert roles(wide, [design] * 3) == Roles()


def block(event: str) -> str:
    return f"module m(input t, d, output reg q); always @({event}) q <= d; endmodule"


@pytest.mark.parametrize(("users", "clocks"), [(3, ("t",)), (2, ("t",)), (1, ()), (0, ())])
def test_a_clock_by_use_is_what_more_than_half_of_the_designs_act_at(users: int, clocks: tuple[str, ...]) -> None:
    designs = [block("negedge t")] * users + [block("*")] * (3 - users)
    assert roles(bits("t", "d"), designs).clocks == clocks


def test_half_of_the_designs_are_not_enough() -> None:
    assert roles(bits("t", "d"), [block("posedge t"), block("*")]).clocks == ()


def test_what_a_reset_stands_beside_is_the_clock() -> None:
    design = block("posedge rst or posedge t")
    assert roles(bits("rst", "t", "d"), [design]) == Roles(("t",), {"rst": 1})


def test_a_comment_and_a_string_are_no_use() -> None:
    design = 'module m(input t); // always @(posedge t)\n initial x = "posedge t"; endmodule'
    assert roles(bits("t"), [design]).clocks == ()


def test_the_clock_that_most_designs_use_comes_first() -> None:
    designs = [block("posedge clk_b"), block("posedge clk_b"), block("posedge clk_a")]
    assert roles(bits("clk_a", "clk_b"), designs).clocks == ("clk_b", "clk_a")
    assert roles(bits("clk_a", "clk_b"), []).clocks == ("clk_a", "clk_b")


@pytest.mark.parametrize("name", ["rst", "reset", "areset", "arst", "clear", "clr", "init", "sync_reset", "RESET"])
def test_a_reset_named_so_acts_at_one(name: str) -> None:
    assert roles(bits("clk", name), []) == Roles(("clk",), {name: 1})


@pytest.mark.parametrize(
    "name", ["rst_n", "resetn", "arst_n", "areset_n", "rstb", "rst_ni", "nreset", "n_rst", "RST_N"]
)
def test_a_reset_named_as_inverted_acts_at_zero(name: str) -> None:
    assert roles(bits("clk", name), []).resets == {name: 0}


@pytest.mark.parametrize("name", ["first", "burst", "worst"])
def test_a_word_that_ends_like_a_reset_is_none(name: str) -> None:
    assert roles(bits("clk", name), []).resets == {}


@pytest.mark.parametrize(("name", "level"), [("rst", 1), ("sys_clr", 1), ("rst_in", 1), ("nrst", 0), ("rst_ni", 0)])
def test_a_name_alone_says_the_level(name: str, level: int) -> None:
    assert reset_level(name) == level
    assert reset_level(f"{name}_valid") is None


def branching(condition: str, event: str = "posedge clk") -> str:
    return f"module m; always @({event}) if ({condition}) q <= 0; else q <= d; endmodule"


LOW = ["!reset", "~reset", "reset == 0", "reset == 1'b0", "!reset || x"]
HIGH = ["reset", "reset == 1'b1", "reset || x", "reset != 0"]


@pytest.mark.parametrize("condition", LOW)
def test_most_designs_say_that_it_acts_at_zero(condition: str) -> None:
    low, high = branching(condition), branching("reset")
    assert roles(bits("clk", "reset"), [low, low, high]).resets == {"reset": 0}
    assert roles(bits("clk", "reset"), [low, high, high]).resets == {"reset": 1}


@pytest.mark.parametrize("condition", HIGH)
def test_most_designs_say_that_it_acts_at_one(condition: str) -> None:
    low, high = branching("!rst_n"), branching(condition.replace("reset", "rst_n"))
    assert roles(bits("clk", "rst_n"), [low, high, high]).resets == {"rst_n": 1}


def test_where_designs_are_of_two_minds_the_name_decides() -> None:
    both = [branching("!reset"), branching("reset")]
    assert roles(bits("clk", "reset"), both).resets == {"reset": 1}
    assert roles(bits("clk", "rst_n"), [text.replace("reset", "rst_n") for text in both]).resets == {"rst_n": 0}


def test_a_falling_edge_of_a_reset_is_a_vote_for_zero() -> None:
    design = branching("x", "posedge clk or negedge reset")
    assert roles(bits("clk", "reset"), [design]).resets == {"reset": 0}


def test_a_reset_by_name_that_most_designs_clock_with_is_a_clock() -> None:
    use = block("posedge clear")
    assert roles(bits("clear", "d"), [use, use, block("*")]) == Roles(("clear",), {})
    assert roles(bits("clear", "d"), [use, block("*"), block("*")]) == Roles((), {"clear": 1})


def test_edges_are_in_the_order_of_the_text_without_comments() -> None:
    text = "always @(posedge clk, negedge rst) x; // posedge a\n always @(negedge b) y; /* negedge c */"
    assert edges(text) == [("posedge", "clk"), ("negedge", "rst"), ("negedge", "b")]


WORDS = ["@", "(", ")", "posedge", "negedge", "if", "!", "~", "==", "clk", "rst", "1'b0", "0", "or", "\n", "//", '"']


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=80) | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), max_size=3))
def test_any_text_is_read_and_no_input_has_two_roles(designs: list[str]) -> None:
    inputs = bits("clk", "rst", "d")
    found = roles(inputs, designs)
    assert len({*found.clocks, *found.resets}) == len(found.clocks) + len(found.resets)
    assert {*found.clocks, *found.resets} <= {"clk", "rst", "d"}
    assert set(found.resets.values()) <= {0, 1}
