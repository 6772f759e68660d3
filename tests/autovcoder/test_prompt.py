"""Training, generation and evaluation ask in the same words."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.prompt import SYSTEM, chat, plain, user_text

HEADER = "module counter8(input clk, output reg [7:0] q);"


def test_the_specification_alone_is_the_prompt() -> None:
    assert user_text("  Build a counter.\n") == "Build a counter."


def test_context_comes_first_then_the_problem_then_the_header_then_the_language() -> None:
    text = user_text("Build a counter.", HEADER, language="verilog-2001", context=["module a; endmodule", "b"])
    parts = ["Reference:\nmodule a; endmodule", "Reference:\nb", "Problem:\nBuild a counter.", HEADER, "Verilog-2001"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.sampled_from([None, HEADER]))
def test_no_word_of_the_specification_is_lost(spec: str, header: str | None) -> None:
    text = user_text(spec, header)
    assert spec.strip() in text
    assert (header is None) == (HEADER not in text) or HEADER in spec


def test_both_forms_carry_the_same_instructions_and_the_same_question() -> None:
    user = user_text("Build a counter.", HEADER)
    assert [message["content"] for message in chat(user)] == [SYSTEM, user]
    assert [message["role"] for message in chat(user)] == ["system", "user"]
    assert plain(user).startswith(f"{SYSTEM}\n\n{user}\n")


def test_the_plain_form_ends_in_an_open_fence_on_a_line_of_its_own() -> None:
    assert plain("x").endswith("\n```verilog\n")
