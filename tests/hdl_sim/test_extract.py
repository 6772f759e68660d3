"""Finding the Verilog in an answer, and knowing when an answer is complete."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hdl_sim.extract import answer_complete, extract_code
from hdl_sim.slang import read_source
from hdl_sim.spans import module_spans

ADD = "module add(input a, input b, output y);\n  assign y = a ^ b;\nendmodule"
FULL = "module full(input a, input b, output y);\n  wire t;\n  add u0(.a(a), .b(b), .y(t));\n  assign y = t;\nendmodule"
TB = "module tb;\n  reg a; wire y;\n  full dut(a, a, y);\n  initial $finish;\nendmodule"
HEADER = "module top (\n  input a,\n  output y\n);"


CASES = [
    ("bare", ADD, ADD),
    ("fence", f"Sure!\n```verilog\n{ADD}\n```\nThis module adds (badly).", ADD),
    ("unclosed fence", f"```systemverilog\n{ADD}\n", ADD),
    ("fence without language", f"Here:\n```\n{ADD}\n```", ADD),
    ("code on the fence's line", f"```verilog {ADD}```", ADD),
    ("only the closing fence", f"{ADD}\n```\nIt adds.", ADD),
    ("prose around", f"The following module adds two bits.\n{ADD}\nHope it helps; this module is small.", ADD),
    ("reasoning", f"<think>maybe module wrong(input x); endmodule</think>\n{ADD}", ADD),
    ("reasoning opened by the prompt", f"module wrong(input x); endmodule</think>\n{ADD}", ADD),
    ("directive above", f"Answer:\n`timescale 1ns/1ps\n{ADD}", f"`timescale 1ns/1ps\n{ADD}"),
    ("other languages", f"```python\nprint(1)\n```\n```verilog\n{ADD}\n```", ADD),
    ("word in a comment", f"// endmodule here, module there (\n{ADD}", f"// endmodule here, module there (\n{ADD}"),
    ("label", "module m(input a);\nendmodule : m", "module m(input a);\nendmodule : m"),
    ("last version wins", f"```\n{ADD.replace('^', '&')}\n```\nWait, wrong.\n```\n{ADD}\n```", ADD),
    ("cut-off repeat loses", f"```\n{ADD}\n```\n```\nmodule add(input a,", ADD),
    ("testbench dropped", f"```\n{ADD}\n\n{FULL}\n```\n```\n{TB}\n```", f"{ADD}\n\n{FULL}"),
    ("missing endmodule is not invented", "module m(input a);\n  wire x;", "module m(input a);\n  wire x;"),
]


@pytest.mark.parametrize(("answer", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_code_is_found(answer: str, code: str) -> None:
    assert extract_code(answer) == code + "\n"


@pytest.mark.parametrize(
    "answer", ["", "   \n", "I cannot do that.", "<think>module m(); endmodule", "```python\nx = 1\n```"]
)
def test_no_code_is_none(answer: str) -> None:
    assert extract_code(answer) is None
    assert extract_code(answer, header=HEADER) is None


def test_requested_module_keeps_its_helpers_and_loses_the_rest() -> None:
    other = "module other(input q); endmodule"
    answer = f"```\n{ADD}\n```\n```\n{other}\n{FULL}\n{TB}\n```"
    assert extract_code(answer, module="full") == f"{ADD}\n\n{FULL}\n"


def test_absent_requested_module_keeps_all_designs() -> None:
    assert extract_code(ADD, module="top") == ADD + "\n"


BODIES = [
    "  assign y = ~a;\nendmodule",
    "assign y = ~a;",
    "```verilog\nassign y = ~a;\n```",
    "Just invert it:\nassign y = ~a;\nendmodule\nThat is all.",
]


@pytest.mark.parametrize("answer", BODIES)
def test_body_goes_behind_the_header(answer: str) -> None:
    code = extract_code(answer, header=HEADER)
    assert code is not None
    assert code.split() == [*HEADER.split(), "assign", "y", "=", "~a;", "endmodule"]


MENDED = [
    ("module with a capital", "Here.\nModule top (\n  input a,\n  output y\n);\n  assign y = ~a;\nendmodule\n", "~a"),
    ("module without a name", "module (input a, output y);\n  assign y = ~a;\nendmodule", "~a"),
    ("another name, the same ports", "module inverter(input a, output y);\n  assign y = ~a;\nendmodule", "~a"),
    ("another name with its label", "module inv(output y, input a);\n  assign y = ~a;\nendmodule : inv", "~a"),
    ("no endmodule", "module top(input a, output y);\n  assign y = ~a;", "~a"),
    ("ports declared again", "input a;\noutput y;\nreg y;\nalways @* y = ~a;", "~a"),
    ("prose that begins like code", "and end with `endmodule`.\ninput signals (a)\nassign y = ~a;", "~a"),
    ("macro above the body", "`define NOT ~\nassign y = `NOT a;\nendmodule", "`NOT a"),
    ("an instance first", "inv u (.i(a), .o(y));\nendmodule", ".o(y)"),
]


@pytest.mark.parametrize(("answer", "kept"), [case[1:] for case in MENDED], ids=[case[0] for case in MENDED])
def test_what_the_header_settles_is_not_held_against_an_answer(answer: str, kept: str) -> None:
    code = extract_code(answer, header=HEADER)
    assert code is not None
    assert kept in code
    source = read_source(code)
    assert not source.syntax_errors
    assert [module.name for module in source.modules] == ["top"]
    assert {port.name for port in source.modules[0].ports} == {"a", "y"}


NOT_MENDED = [
    ("another name, other ports", "module inv(input x, output y);\n  assign y = ~x;\nendmodule"),
    ("another name, another width", "module inv(input a, output [1:0] y);\n  assign y = ~a;\nendmodule"),
    ("two designs", "module p(input a, output y);\nendmodule\n\nmodule q(input a, output y);\nendmodule"),
    ("an undeclared name", "module top(input a, output y);\n  assign y = ~b;\nendmodule"),
    ("a missing end", "module top(input a, output reg y);\n  always @* begin y = ~a;\nendmodule"),
]


@pytest.mark.parametrize("answer", [case[1] for case in NOT_MENDED], ids=[case[0] for case in NOT_MENDED])
def test_the_design_itself_is_never_mended(answer: str) -> None:
    assert extract_code(answer, header=HEADER) == answer + "\n"


PROSE = st.text(alphabet="abc dot.,;:!?\n'", max_size=60).filter(lambda text: "`" not in text)


@settings(max_examples=100, deadline=None)
@given(
    PROSE, PROSE, st.sampled_from([ADD, FULL, f"{ADD}\n\n{FULL}"]), st.sampled_from(["verilog", "systemverilog", ""])
)
def test_fenced_module_comes_back_unchanged(before: str, after: str, code: str, language: str) -> None:
    answer = f"{before}\n```{language}\n{code}\n```\n{after}"
    assert extract_code(answer) == code + "\n"
    assert extract_code(f"<think>{answer}</think>{answer}") == code + "\n"


PIECES = st.lists(
    st.sampled_from([
        ADD, FULL, TB, "```", "```verilog\n", "endmodule", "module top(input a);", "Module top(", "assign y = a;",
        "module (input a, output y);", "\n", "It works.", "input a;", "<think>", "</think>", "`define X 1\n",
    ])
).map("\n".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(PIECES, st.sampled_from([None, HEADER]))
@example(f"module (input a, output y);\n```verilog\n\n{ADD}\nmodule (input a, output y);", HEADER)
@example(f"{ADD}\nModule top(\n```\nmodule top(input a);", HEADER)
def test_the_modules_of_a_result_are_found_again_unchanged(text: str, header: str | None) -> None:
    def modules(code: str) -> list[str]:
        return [code[span.start : span.end].strip() for span in module_spans(code)]

    code = extract_code(text, header=header)
    if code is not None and all(span.closed for span in module_spans(code)):  # an open one holds all behind it
        assert modules(extract_code(code, header=header) or "") == modules(code)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.sampled_from([ADD, FULL + "\n" + ADD]))
def test_a_complete_module_stays_complete_until_another_begins(text: str, code: str) -> None:
    """Monotone in this sense: what follows a complete answer makes it incomplete only by opening something."""
    if answer_complete(code):
        opens = any(word in text for word in ("module ", "Module ", "<think>", "</think>", "```"))
        assert opens or answer_complete(code + "\n" + text)


def test_full_module_is_not_put_behind_the_header() -> None:
    assert extract_code(FULL + "\n" + ADD, header="module full(input a, input b, output y);") == f"{FULL}\n\n{ADD}\n"


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(["module ", "m", "(", ");", "endmodule", "```", "verilog\n", "//", "/*", '"', "<think>",
                         "</think>",                          "assign y = a;", "\n", "`x", "begin "])
    ).map("".join)
)  # fmt: skip
def test_any_text_gives_code_or_none(text: str) -> None:
    for header in (None, HEADER, text):
        code = extract_code(text, header=header)
        assert code is None or code.strip()
    answer_complete(text)
    answer_complete(text, "m")


COMPLETE = [
    (ADD, None),
    (ADD, "add"),
    (f"```verilog\n{ADD}\n```", "add"),
    (f"{ADD}\n```", "add"),  # the prompt had opened the fence
    (f"{FULL}\n{ADD}", "full"),
    ("module m(input a); foo u(a);\nendmodule\n```", "m"),  # the fence is closed: no helper will come
    ("module m; reg a; initial if (a) a = f(a); endmodule", None),
]
INCOMPLETE = [
    ("", None),
    (ADD.replace("endmodule", ""), None),
    (ADD.replace("endmodule", "// endmodule"), None),
    (ADD.replace("endmodule", '"endmodule"'), None),
    (ADD, "top"),
    (f"```verilog\n{ADD}\n```", "top"),
    (FULL, None),  # add is still to come
    (FULL, "full"),
    (f"{ADD}\nmodule next(input", None),
    (f"<think>{ADD}", None),
    ("Use `endmodule` at the end of a module.", None),
]


@pytest.mark.parametrize(("text", "module"), COMPLETE)
def test_complete_answers(text: str, module: str | None) -> None:
    assert answer_complete(text, module)


@pytest.mark.parametrize(("text", "module"), INCOMPLETE)
def test_incomplete_answers(text: str, module: str | None) -> None:
    assert not answer_complete(text, module)


@pytest.mark.parametrize("code", [ADD, f"{FULL}\n{ADD}"])
def test_completion_comes_with_the_last_endmodule_and_stays(code: str) -> None:
    done = [answer_complete(code[:end]) for end in range(len(code) + 1)]
    assert done.index(True) == len(code)


@pytest.mark.parametrize(
    "piece", ["/*", '"', "`", "module m(", "(* ", "```", "<think>", "//\n", "input \n", "module m;"]
)
def test_time_is_linear_enough_on_hostile_answers(piece: str) -> None:
    text = piece * (30_000 // len(piece))
    started = time.process_time()
    extract_code(text, header=HEADER)
    answer_complete(text + "endmodule")
    assert time.process_time() - started < 10


def test_many_backticks_take_linear_time() -> None:
    started = time.process_time()
    for text in ("`" * 200_000 + "!", "```x" * 50_000, "`` " * 60_000):
        extract_code(text + "\nmodule m(input a); endmodule\n")
    assert time.process_time() - started < 5


def test_an_answer_too_large_to_be_read_has_no_code() -> None:
    code = "module m(input a); endmodule\n"
    assert extract_code(code + " " * 900_000) is not None
    assert extract_code(code + " " * 1_000_000) is None


def test_helpers_are_the_modules_that_are_instantiated() -> None:
    text = "module m(input a); wire other; sub s(a); endmodule\nmodule sub(input a); endmodule\n"
    kept = extract_code(text + "module other(input a); endmodule\n", module="m")
    assert kept is not None
    assert "module sub" in kept
    assert "module other" not in kept
