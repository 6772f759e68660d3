"""What a specification says of the reset and the clock's edge, and whether a design does otherwise."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdl_sim.roles import Roles
from hdl_sim.stated_timing import Timing, contradictions, stated_timing

USED = Roles(("clk",), {"rst": 1})
SYNCHRONOUS, ASYNCHRONOUS = Timing("synchronous"), Timing("asynchronous")
SAID = {
    "An 8-bit counter with a synchronous reset.": SYNCHRONOUS,
    "The reset is synchronous and active high.": SYNCHRONOUS,
    "A synchronous active-low rst_n clears q.": SYNCHRONOUS,
    "It resets synchronously to 0.": SYNCHRONOUS,
    "A counter with an asynchronous reset.": ASYNCHRONOUS,
    "areset: active high, asynchronous": ASYNCHRONOUS,
    "rst is an a-synchronous input; it clears q": ASYNCHRONOUS,
    "Trigger at the positive edge of clk.": Timing(edge="posedge"),
    "Triggered on the rising clock edge": Timing(edge="posedge"),
    "always @(posedge clk)": Timing(edge="posedge"),
    "a negative-edge triggered register": Timing(edge="negedge"),
    "changes at the falling edge": Timing(edge="negedge"),
    "Asynchronous reset, falling edge of the clock.": Timing("asynchronous", "negedge"),
    # Both, so neither.
    "Compare a synchronous reset with an asynchronous reset.": Timing(),
    "Sample at the rising edge, drive at the falling edge.": Timing(),
    # Denied, and then nothing is said of the other kind.
    "Active-high reset. Do not use an asynchronous reset.": Timing(),
    "There is no asynchronous reset, it is a synchronous reset.": Timing(),
    "q must not change except at the rising edge of clk. Inputs change at the falling edge of clk.": Timing(),
    "q doesn't change at the falling edge of clk": Timing(),
    "If en is not 1, q holds; it has an asynchronous reset.": ASYNCHRONOUS,
    # Of something else, or too far away.
    "A synchronous FIFO. The reset clears it.": Timing(),
    "an asynchronous FIFO": Timing(),
    "": Timing(),
}


@pytest.mark.parametrize("spec", SAID)
def test_what_is_said(spec: str) -> None:
    assert stated_timing(spec) == SAID[spec]
    assert stated_timing(spec.upper()) == SAID[spec]


def test_what_else_is_synchronous_says_nothing_of_the_reset() -> None:
    for spec in (
        "Design a synchronous FIFO with an active-low reset rst_n",
        "a synchronous up counter that is cleared by reset",
        "a synchronous load and an areset",
    ):
        assert stated_timing(spec).reset is None


def test_one_long_word_is_read_in_time() -> None:
    started = time.process_time()
    stated_timing("clk" * 20_000 + " ! " + "reset active " * 5_000)
    assert time.process_time() - started < 1.0


def test_an_edge_of_the_data_is_not_the_clocks() -> None:
    assert stated_timing("Let y be 1 for one cycle behind each falling edge of the input d.").edge is None


def register(event: str, name: str = "rst") -> str:
    return (
        f"module m(input clk, {name}, d, output reg q);\n"
        f"  always @({event}) if ({name}) q <= 0; else q <= d; // negedge clk, posedge {name}\nendmodule"
    )


def test_a_preset_is_no_reset() -> None:
    used = Roles(("clk",), {"rst": 1, "preset": 1})
    both = (
        "module m(input clk, rst, preset, d, output reg q);\n"
        "  always @(posedge clk or posedge preset) if (preset) q <= 1; else if (rst) q <= 0; else q <= d;\nendmodule"
    )
    assert contradictions(SYNCHRONOUS, both, used) == ()
    assert contradictions(SYNCHRONOUS, both.replace("posedge preset", "posedge rst"), used) != ()


SYNC, ASYNC = register("posedge clk"), register("posedge clk or posedge rst")


def test_a_kind_of_reset_that_is_not_the_stated_one_is_told() -> None:
    wrong = "its reset is asynchronous, the specification says synchronous"
    assert contradictions(SYNCHRONOUS, ASYNC, USED) == (wrong,)
    assert contradictions(SYNCHRONOUS, SYNC, USED) == ()
    wrong = "its reset is synchronous, the specification says asynchronous"
    assert contradictions(ASYNCHRONOUS, SYNC, USED) == (wrong,)
    assert contradictions(ASYNCHRONOUS, ASYNC, USED) == ()


def test_an_edge_that_is_not_the_stated_one_is_told() -> None:
    falling = register("negedge clk")
    wrong = "it acts at no posedge of the clock, as the specification says"
    assert contradictions(Timing(edge="posedge"), falling, USED) == (wrong,)
    assert contradictions(Timing(edge="negedge"), falling, USED) == ()
    both = SYNC + falling
    assert contradictions(Timing(edge="negedge"), both, USED) == ()


def test_both_faults_are_told() -> None:
    assert len(contradictions(Timing("asynchronous", "negedge"), SYNC, USED)) == 2


def test_nothing_is_told_where_nothing_is_known() -> None:
    everything = Timing("asynchronous", "negedge")
    assert contradictions(Timing(), ASYNC, USED) == ()
    assert contradictions(everything, "module m(input clk, output q); assign q = clk; endmodule", USED) == ()
    assert contradictions(ASYNCHRONOUS, SYNC, Roles(("clk",), {})) == ()
    assert contradictions(everything, SYNC, Roles()) == ()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(
    ["synchronous", "asynchronous", "reset", "rst_n", "rising edge", "posedge", "negedge", "clk", "@", ".", "\n", "or"]
), max_size=40).map(" ".join))  # fmt: skip
def test_any_text_is_read_without_a_crash(text: str) -> None:
    assert isinstance(contradictions(stated_timing(text), text, USED), tuple)
