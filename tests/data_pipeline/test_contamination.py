"""Copies of a benchmark's problems are found however they are dressed up, and what is not copied stays."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import re
from collections.abc import Callable, Iterator
from itertools import chain, cycle
from pathlib import Path

import pytest

from autovcoder.files import read_records
from autovcoder.records import Bench, ContaminationMatch, PassRule, Problem
from data_pipeline.contamination import TRIVIAL_BODY, ContaminationIndex
from data_pipeline.parametric import ParametricTeacher
from eval.suites import load_suite, write_problems
from hdl_sim.normal_form import KEYWORDS, modules_of, normal_tokens
from hdl_sim.rename import rename_module

DATA = os.environ.get("AUTOVCODER_DATA")
NEEDS_DATA = pytest.mark.skipif(DATA is None, reason="AUTOVCODER_DATA is not set")
BENCH = Bench(kind="verilog", sources={"tb.v": ""}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
SPEC = """Build a pulse stretcher: whenever a rising edge is seen on the trigger input, hold the pulse output high for
the number of clock cycles that is given by the length input at that moment, and ignore further edges meanwhile."""
STRETCHER = """module stretcher (
    input clk, input rst, input trigger, input [7:0] length, output reg pulse
);
    reg [7:0] left;
    reg seen;
    always @(posedge clk) begin
        seen <= trigger;
        if (rst) begin
            pulse <= 1'b0;
            left <= 8'd0;
        end else if (!pulse && trigger && !seen) begin
            pulse <= length != 8'd0;
            left <= length;
        end else if (pulse) begin
            left <= left - 8'd1;
            pulse <= left > 8'd1;
        end
    end
endmodule
"""
GRAY = """module gray #(parameter W = 6) (input clk, input clear, input step, output [W-1:0] code);
    reg [W-1:0] binary;
    assign code = binary ^ (binary >> 1);
    always @(posedge clk or posedge clear)
        if (clear) binary <= {W{1'b0}};
        else if (step) binary <= binary + {{(W-1){1'b0}}, 1'b1};
endmodule
"""
INVERTER = "module top_module (input in, output out);\n    assign out = ~in;\nendmodule\n"


def problem(id: str, reference: str | None, spec: str = "nothing to see here at all") -> Problem:
    return Problem(id=id, suite="ours", category="", spec=spec, bench=BENCH, reference=reference)


def found(index: ContaminationIndex, code: str) -> list[tuple[str, str, bool]]:
    return [(match.problem_id, match.kind, match.removes) for match in index.matches(code)]


@pytest.fixture(scope="module")
def index() -> ContaminationIndex:
    problems = [
        problem("stretch", STRETCHER, SPEC),
        problem("gray", GRAY + INVERTER.replace("top_module", "helper")),
        problem("invert", INVERTER, "Implement an inverter."),
        problem("text only", None, "Write a module that blinks a lamp twice and then stays dark."),
    ]
    return ContaminationIndex.from_problems(problems)


# ---- kinds ----------------------------------------------------------------------------------------


def test_layout_comments_and_the_modules_name_hide_nothing(index: ContaminationIndex) -> None:
    code = "`timescale 1ns/1ps\n// mine\n" + " ".join(normal_tokens(STRETCHER.replace("stretcher", "my_own")))
    assert index.matches(code, "some id") == (
        ContaminationMatch(
            module_id="some id", suite="ours", problem_id="stretch", kind="exact", similarity=1.0, removes=True
        ),
    )


def test_renaming_hides_nothing(index: ContaminationIndex) -> None:
    assert found(index, rename_all(STRETCHER, random.Random(1))) == [("stretch", "renamed", True)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left - 8'd1", "left + 8'd1"),
        ("reg seen;", "reg seen;\n    wire busy;\n    assign busy = pulse & ~rst;"),
        ("input clk, input rst, input trigger", "input trigger, input clk, input rst"),
        ("seen <= trigger;\n", "\n"),
        ("pulse <= 1'b0;\n            left <= 8'd0;", "left <= 8'd0;\n            pulse <= 1'b0;"),
        ("module stretcher (\n    input clk, input rst, input trigger, input [7:0] length, output reg pulse\n);",
         "module s(clk, rst, trigger, length, pulse);\ninput clk, rst, trigger; input [7:0] length; output reg pulse;"),
    ],
    ids=["operator", "signal", "ports", "line less", "order", "old header"],
)  # fmt: skip
@pytest.mark.parametrize("renamed", [False, True])
def test_small_edits_hide_nothing(index: ContaminationIndex, old: str, new: str, renamed: bool) -> None:
    assert old in STRETCHER
    code = STRETCHER.replace(old, new)
    (match,) = index.matches(rename_all(code, random.Random(2)) if renamed else code)
    assert (match.problem_id, match.removes) == ("stretch", True)
    assert match.kind == "near"
    assert 0.5 <= match.similarity <= 1


@pytest.mark.parametrize("renamed", [False, True])
def test_a_copy_inside_a_larger_module_is_found(index: ContaminationIndex, renamed: bool) -> None:
    around = STRETCHER.replace("endmodule", f"{' '.join(modules_of(GRAY)[0].body)}\nendmodule")
    matches = found(index, rename_all(around, random.Random(3)) if renamed else around)
    assert {name for name, kind, removes in matches if kind == "near" and removes} == {"gray", "stretch"}


def test_heavy_edits_are_found_while_the_names_are_kept(index: ContaminationIndex) -> None:
    code = STRETCHER.replace("        seen <= trigger;\n", "").replace("pulse <= length != 8'd0;", "pulse <= |length;")
    code = code.replace("left <= left - 8'd1;", "left <= left + 8'hff;")
    assert found(index, code) == [("stretch", "near", True)]
    assert found(index, rename_all(code, random.Random(4))) == []


def test_a_small_structure_in_a_large_module_is_no_copy() -> None:
    swap = (
        "module m(input [3:0] a, output [3:0] y);"
        + "".join(f"assign y[{n}] = a[{3 - n}];" for n in range(4))
        + "endmodule"
    )
    wide = (
        "module w(input [63:0] b, output [63:0] z);"
        + "".join(f"assign z[{n}] = b[{n ^ 3}];" for n in range(64))
        + "endmodule"
    )
    index = ContaminationIndex.from_problems([problem("swap", swap)])
    assert found(index, wide) == []
    assert found(index, rename_all(swap, random.Random(5))) == [("swap", "renamed", True)]


def test_a_helper_of_a_reference_is_part_of_the_problem() -> None:
    index = ContaminationIndex.from_problems([problem("both", INVERTER + STRETCHER)])
    assert found(index, STRETCHER) == [("both", "exact", True)]
    assert found(index, GRAY) == []


def test_the_problems_words_in_a_comment_remove_any_module(index: ContaminationIndex) -> None:
    comment = "".join(f" * {line.upper()}\n" for line in SPEC.splitlines())
    assert found(index, f"/*\n{comment}*/\nmodule other(input a); endmodule") == [("stretch", "text", True)]
    blinks = "// Write a module that blinks a lamp,\n// twice and then stays dark.\nmodule other(input a); endmodule"
    assert found(index, blinks) == [("text only", "text", True)]
    assert found(index, f'module other; initial $display("{" ".join(SPEC.split())}"); endmodule') == []


def test_a_trivial_body_needs_the_problems_words_beside_it(index: ContaminationIndex) -> None:
    assert found(index, INVERTER) == [("gray", "trivial", False), ("invert", "trivial", False)]
    assert found(index, f"// Exercise: implement an inverter\n{INVERTER}")[0] == ("invert", "exact", True)
    renamed = re.sub(r"\bin\b", "x", INVERTER)
    assert found(index, f"// Implement an inverter.\n{renamed}")[0] == ("invert", "renamed", True)


def test_an_altered_text_supports_a_trivial_code_match() -> None:
    text = "Drive the output so that it is the opposite of the input at all times, with logic alone and without a clock"
    index = ContaminationIndex.from_problems([problem("not", INVERTER, f"{text}.")])
    altered = text.replace("at all times", "always")
    assert found(index, f"// {altered}\nmodule other; endmodule") == []
    assert found(index, f"// {altered}\n{INVERTER}") == [("not", "exact", True)]
    assert found(index, f"// {' '.join(text.split()[:9])}\n{INVERTER}") == [("not", "trivial", False)]


def test_a_trivial_body_inside_a_larger_module_is_none(index: ContaminationIndex) -> None:
    code = GRAY.replace("endmodule", "assign out = ~in;\nendmodule").replace("code", "value")
    assert "invert" not in [name for name, *_ in found(index, f"// Implement an inverter.\n{code}")]


def test_trivial_ends_at_the_fortieth_token() -> None:
    for extra, removes in ((0, False), (1, True)):
        body = "assign y = a + b;\n" * 4 + "assign z = a;" + ";" * (6 + extra)
        code = f"module m(input a, input b, output y, output z); {body} endmodule"
        assert len(modules_of(code)[0].body) == TRIVIAL_BODY - 1 + extra
        (match,) = ContaminationIndex.from_problems([problem("p", code)]).matches(code)
        assert match.removes is removes


def test_what_stands_in_many_problems_texts_names_none() -> None:
    frame = "I would like you to implement a module named TopModule with the following interface, all ports one bit."
    own = [
        f"It should {word} whatever it is given whenever it is asked to do so by the host." for word in "abcdefghijkl"
    ]
    index = ContaminationIndex.from_problems(problem(str(n), None, f"{frame} {text}") for n, text in enumerate(own))
    assert found(index, f"// {frame}\nmodule m; endmodule") == []
    assert [name for name, *_ in found(index, f"// {own[3]}\nmodule m; endmodule")] == ["3"]


def test_the_strongest_match_comes_first(index: ContaminationIndex) -> None:
    code = f"// Write a module that blinks a lamp twice and then stays dark.\n{STRETCHER}{INVERTER}"
    assert [kind for _, kind, _ in found(index, code)] == ["exact", "text", "trivial", "trivial"]


def test_text_without_modules_or_without_anything_matches_nothing(index: ContaminationIndex) -> None:
    for code in ("", "endmodule", "package p; endpackage", "module", "\x00é\ud800", "// \ud800"):
        assert index.matches(code) == ()
    assert ContaminationIndex.from_problems([]).matches(STRETCHER) == ()


def test_an_index_survives_the_way_to_another_process(index: ContaminationIndex) -> None:
    assert len(index) == 4
    assert pickle.loads(pickle.dumps(index)).matches(STRETCHER) == index.matches(STRETCHER)  # noqa: S301 - our own


# ---- planted copies ---------------------------------------------------------------------------------

_NAME = re.compile(r"(?<![\w'$`.])[A-Za-z_]\w*")


def comment_in(code: str, rng: random.Random) -> str:
    comments = ("// taken from my notes\n", "/* begin ; endmodule */", "/* a\n * b\n */", "// \"quoted'\n")
    return re.sub(
        r"\s+", lambda gap: gap[0] + (rng.choice(comments) + "\n" if rng.random() < 0.3 else ""), code_only(code)
    )


def space_out(code: str, rng: random.Random) -> str:
    return re.sub(r"\s+", lambda _: rng.choice(("\n", "\t", "  ", "\n\n    ", " ")), code_only(code))


def indent(code: str, rng: random.Random) -> str:
    width = rng.randrange(9)
    return "\r\n".join(" " * width + line.strip() for line in code.splitlines())


def on_one_line(code: str, rng: random.Random) -> str:
    return " ".join(normal_tokens(code))


def token_a_line(code: str, rng: random.Random) -> str:
    return "\n".join(normal_tokens(code))


def name_module(code: str, rng: random.Random) -> str:
    return rename_module(code, modules_of(code)[0].name, f"design_{rng.randrange(1000)}")


def write_numbers(code: str, rng: random.Random) -> str:
    return re.sub(r"(\d+)'([bdh])([0-9a-fA-F]+)", lambda n: f"{n[1]} '{n[2].upper()} {n[3].upper()}_", code)


def rename_all(code: str, rng: random.Random) -> str:
    text = code_only(code)
    names = sorted(set(_NAME.findall(text)) - KEYWORDS)
    numbers = rng.sample(range(1000), len(names))
    new = {name: f"{rng.choice('abqz')}_{number}" for name, number in zip(names, numbers, strict=True)}
    return re.sub(r"(?<![\w'$`])[A-Za-z_]\w*", lambda name: new.get(name[0], name[0]), text)


def code_only(code: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", " ", code, flags=re.DOTALL)


CHANGES: list[tuple[Callable[[str, random.Random], str], ...]] = [
    (comment_in,), (space_out,), (indent,), (on_one_line,), (token_a_line,), (name_module,), (write_numbers,),
    (rename_all,), (comment_in, name_module), (rename_all, write_numbers, comment_in, indent),
    (rename_all, on_one_line), (name_module, write_numbers, space_out),
]  # fmt: skip


def plants(problems: list[Problem], count: int) -> Iterator[tuple[Problem, str, bool]]:
    """``count`` copies, each changed otherwise: the problem, the code, and whether its names are other ones."""
    rng = random.Random("planted")
    # Each change meets each reference before one repeats.
    pairs = ((problem, change) for change in cycle(CHANGES) for problem in rng.sample(problems, len(problems)))
    for (problem, change), _ in zip(pairs, range(count), strict=False):
        code = problem.reference or ""
        for step in change:
            code = step(code, rng)
        yield problem, code, rename_all in change


def is_long(problem: Problem) -> bool:
    return any(len(module.body) >= TRIVIAL_BODY for module in modules_of(problem.reference or ""))


def missed(index: ContaminationIndex, planted: list[tuple[Problem, str, bool]]) -> list[tuple[str, str]]:
    """The plants for whose problem there is no match of the right kind that removes them."""
    lost = []
    for source, code, renamed in planted:
        kinds = [
            match.kind
            for match in index.matches(code)
            if (match.suite, match.problem_id) == (source.suite, source.id) and match.removes
        ]
        if kinds != ["renamed" if renamed else "exact"]:
            lost.append((source.id, code))
    return lost


@pytest.fixture(scope="module")
def teacher() -> ParametricTeacher:
    return ParametricTeacher()


def test_every_planted_copy_of_our_own_rtl_is_found(teacher: ParametricTeacher) -> None:
    problems = [problem(f"p{n}", teacher.drawn(11, n).code) for n in range(150)]
    index = ContaminationIndex.from_problems(problems)
    planted = list(plants([p for p in problems if is_long(p)], 200))
    assert len(planted) == 200
    assert missed(index, planted) == []


@pytest.fixture(scope="module")
def verilogeval(tmp_path_factory: pytest.TempPathFactory) -> list[Problem]:
    """Both parts of VerilogEval v1, as the stage reads them: from the files that the evaluation package writes."""
    problems: list[Problem] = []
    for part in ("human", "machine"):
        folder = tmp_path_factory.mktemp(part)
        path = write_problems(load_suite(f"verilogeval-v1-{part}", Path(DATA or "") / "verilogeval_v1"), folder)
        problems += read_records(path, Problem)
    return problems


@NEEDS_DATA
def test_all_200_planted_copies_of_verilogeval_are_found(verilogeval: list[Problem]) -> None:
    index = ContaminationIndex.from_problems(verilogeval)
    assert len(index) == 299
    long = {"".join(normal_tokens(p.reference or "")): p for p in verilogeval if is_long(p)}
    assert len(long) >= 70
    planted = list(plants(list(long.values()), 200))
    assert len({code for _, code, _ in planted}) == 200
    assert missed(index, planted) == []


@NEEDS_DATA
def test_every_text_of_verilogeval_is_found_in_a_comment(verilogeval: list[Problem]) -> None:
    index = ContaminationIndex.from_problems(verilogeval)
    for source in verilogeval:
        comment = "".join(f"// {line}\n" for line in source.spec.splitlines())
        match = [m for m in index.matches(comment + INVERTER) if (m.suite, m.problem_id) == (source.suite, source.id)]
        if len(source.spec.split()) >= 14 and source.id != "truthtable1":
            assert match, source.spec
            assert match[0].removes


@NEEDS_DATA
def test_rtl_that_copies_nothing_stays(verilogeval: list[Problem], teacher: ParametricTeacher) -> None:
    index = ContaminationIndex.from_problems(verilogeval)
    with gzip.open(Path(DATA or "") / "autovcoder_drafts.jsonl.gz", "rt", encoding="utf-8") as file:
        drafts = [json.loads(line)["verilog_code"] for line in file]
    ours = (teacher.drawn(7, n).code for n in range(400))
    assert [m for code in chain(drafts, ours) for m in index.matches(code) if m.removes] == []
