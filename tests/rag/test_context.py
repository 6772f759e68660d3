"""The context of a problem: what is shown fits, is near enough, is told once, and gives no answer away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.cli.retrieval import contexts_for, leak_guard
from autovcoder.models.local import LocalModel
from autovcoder.prompt import user_text
from autovcoder.records import Context, Hit, Sampling, StoreKind
from data_pipeline.parametric import ParametricTeacher, code_key
from eval.suites import load_suite
from rag.chunks import folder_entries
from rag.context import ContextSettings, Search, build_contexts
from rag.library import examples_of_pairs

from .conftest import FAMILIES


def hit(text: str, score: float = 0.9, store: StoreKind = "example") -> Hit:
    return Hit(doc_id=text.split()[0] if text.split() else "none", text=text, score=score, store=store)


def context(solved: Sequence[Hit] = (), known: Sequence[Hit] = (), refuse: object = None, **settings: float) -> Context:
    [built] = build_contexts(
        ["a problem"],
        ContextSettings(**settings),  # type: ignore[arg-type]
        lambda text: len(text.split()),
        examples=lambda _, k: [list(solved[:k])],
        knowledge=lambda _, k: [list(known[:k])],
        refuse=refuse,  # type: ignore[arg-type]
    )
    return built


TEXTS = ["one two three four five", "six seven", "eight nine ten", "eleven twelve thirteen fourteen", "a b c d e f g"]


def test_the_best_two_examples_and_three_pieces_of_knowledge_are_shown() -> None:
    solved = [hit(f"e{number} {text}") for number, text in enumerate(TEXTS)]
    known = [hit(f"k{number} {text} and more", store="knowledge") for number, text in enumerate(reversed(TEXTS))]
    assert context(solved, known).ids == ("e0", "e1", "k0", "k1", "k2")
    assert context(solved, known, knowledge=0).ids == ("e0", "e1")
    assert context(solved, known, examples=1, knowledge=1).texts == (solved[0].text, known[0].text)


def test_what_is_not_near_enough_is_left_out_with_the_reason() -> None:
    built = context([hit(TEXTS[0], 0.51), hit(TEXTS[1], 0.49)], least_example=0.5)
    assert built.ids == ("one",)
    assert [item.reason for item in built.left_out] == ["not near enough (0.49, the least is 0.5)"]


def test_the_same_told_twice_is_shown_once() -> None:
    again = hit("again " + TEXTS[4] + " h i j k l")
    built = context([hit("first " + TEXTS[4] + " h i j k l"), again, hit(TEXTS[1])])
    assert built.ids == ("first", "six")
    assert built.left_out[0].reason == "tells what another one tells"


@given(
    st.lists(st.integers(1, 40), max_size=6),
    st.lists(st.integers(1, 40), max_size=6),
    st.integers(0, 100),
)
def test_the_budget_is_never_exceeded_and_no_entry_is_cut(solved: list[int], known: list[int], budget: int) -> None:
    examples = [hit(" ".join(f"e{place}x{word}" for word in range(size))) for place, size in enumerate(solved)]
    knowledge = [hit(" ".join(f"k{place}x{word}" for word in range(size))) for place, size in enumerate(known)]
    built = context(examples, knowledge, budget=budget)
    # With the titles that tell what is a reference and what the problem.
    assert built.tokens == len(user_text("", context=built.texts).split()) <= budget
    assert set(built.texts) <= {one.text for one in (*examples, *knowledge)}
    if sum(solved[:8]) + sum(known[:12]) + 6 <= budget:
        assert len(built.shown) == min(2, len(solved)) + min(3, len(known))


def test_what_is_too_far_costs_neither_tokens_nor_the_guard() -> None:
    def refuse(found: Hit) -> str | None:
        raise AssertionError(found.text)

    built = context([hit(TEXTS[0], 0.1)], refuse=refuse)
    assert built.left_out[0].reason.startswith("not near enough")


def test_a_context_leaves_room_for_all_that_stands_around_it(random_model: Path) -> None:
    model = LocalModel(str(random_model))
    entries = [hit(f"e{number} {'word ' * (1 + number % 3)}") for number in range(80)]
    search: dict[StoreKind, Search] = {"example": lambda specs, k: [list(entries[:k]) for _ in specs]}
    settings = ContextSettings(examples=80, knowledge=0, alike=1)
    sampling = Sampling(max_new_tokens=40)
    header = "module top_module (input [7:0] first, input [7:0] second, output [7:0] result);"
    shown = []
    for words in range(1, 60, 7):
        spec = "count the ones " * words
        [built] = contexts_for([(spec, header)], model, search, settings, sampling)
        asked = user_text(spec, header, context=built.texts)
        if built.shown:  # the header may begin the answer
            assert len(model._engine.encode(asked)) + model.count_tokens(header) + 40 <= 512
            model.complete([asked], Sampling(max_new_tokens=1), starts=[header])
            assert built.tokens >= model.count_tokens(asked) - model.count_tokens(user_text(spec, header)) - 2
        shown.append(len(built.shown))
    assert shown[0] > shown[2] > 0 == shown[-1]


def test_each_of_several_problems_gets_what_its_own_prompt_has_room_for(random_model: Path) -> None:
    model = LocalModel(str(random_model))
    entries = [hit(f"e{number} {'word ' * 3}") for number in range(20)]
    search: dict[StoreKind, Search] = {"example": lambda specs, k: [list(entries[:k]) for _ in specs]}
    settings = ContextSettings(examples=20, knowledge=0, alike=1)
    asked = [(f"count the ones {'again ' * more}", None) for more in (1, 60, 20, 90)]
    alone = [contexts_for([one], model, search, settings, Sampling(max_new_tokens=40))[0] for one in asked]
    assert contexts_for(asked, model, search, settings, Sampling(max_new_tokens=40)) == alone
    shown = [len(one.shown) for one in alone]
    assert shown[0] > shown[2] > shown[1]


def reference() -> str:
    """A module of more than two pieces of a text, such as RTLLM's references are."""
    lines = [
        f"    wire [7:0] part{n} = {{first[{n % 8}], second[{(n * 3) % 8}]}} + held{n % 7} * 8'd{n};" for n in range(70)
    ]
    lines += [f"    assign sum{n} = part{n} ^ (part{n + 1} >> {n % 5}) | held{(n * 5) % 7};" for n in range(60)]
    ports = "input clk, input [7:0] first, input [7:0] second, output [7:0] result"
    return f"module long_one ({ports});\n" + "\n".join(lines) + "\nendmodule\n"


@pytest.mark.parametrize("kind", ["md", "txt"])
def test_the_leak_guard_knows_a_reference_that_was_cut(kind: str, tmp_path: Path) -> None:
    problem = load_suite("builtin", None)[0].model_copy(
        update={"id": "long", "suite": "bench", "spec": "Build what the datasheet says.", "reference": reference()}
    )
    refuse = leak_guard([problem])
    text = f"# Notes\n\nHow we did it in our team:\n\n```verilog\n{reference()}```\n\n# Names\n\nAll names are short.\n"
    (tmp_path / f"notes.{kind}").write_text(text if kind == "md" else re.sub("#|```(verilog)?", "", text))
    entries, _ = folder_entries(tmp_path)
    cut = [one for one in entries if "wire [7:0]" in one.text or "assign" in one.text]
    assert len(cut) >= 4
    assert [one.text for one in cut if refuse(hit(one.text)) is None] == []
    assert "long" in str(refuse(hit(cut[1].text)))
    assert [one for one in entries if one not in cut and refuse(hit(one.text))] == []
    # Code of one's own that is cut is not refused.
    own = reference().replace("*", "-").replace("^", "&").replace("part", "cell").replace("held", "kept")
    other = f"{own[:1200].replace('wire', 'reg')}"
    assert refuse(hit(f"Other code.\n\n{other}")) is None


@pytest.mark.parametrize("around", ["```verilog\n{}\n```", "{}", "```\n{}```"])
def test_the_leak_guard_knows_a_piece_of_a_reference_among_prose(around: str) -> None:
    problem = load_suite("builtin", None)[0].model_copy(
        update={"id": "long", "suite": "bench", "spec": "Build what the datasheet says.", "reference": reference()}
    )
    refuse = leak_guard([problem])
    prose = "What our team does in such a case is this, which took us some time to find out and is fast enough."
    lines = reference().splitlines()
    for piece in ("\n".join(lines[20:26]), "\n".join([*lines[20:23], "", *lines[23:26]])):
        told = f"{prose} " * 6 + f"\n\n{around.format(piece)}\n\n" + f"{prose} " * 6
        assert refuse(hit(told)) == "copies a part of bench long"
        assert refuse(hit(told.replace("part", "cell").replace("held", "kept"))) is None


def test_words_behind_a_line_that_begins_with_module_are_compared() -> None:
    problems = load_suite("builtin", None)
    problem = next(one for one in problems if one.reference and len(one.spec.split()) > 30)
    refuse = leak_guard(problems)
    told = f"module that our team wrote last year: {problem.spec}"
    assert problem.id in str(refuse(hit(f"{told}\n\nmodule m (input a);\n  other o (a);\nendmodule")))


def test_a_design_s_key_does_not_see_comments() -> None:
    code = "module m (input a, output y);\n  assign y = ~a; // not\nendmodule"
    commented = code.replace("assign", "/* the\n output // y */ assign/**/").replace("endmodule", "/* end */ endmodule")
    assert code_key(commented) == code_key(code)
    assert code_key(code.replace("~a", "~/* not */a")) == code_key(code) != code_key(code.replace("~a", "a"))


def test_the_leak_guard_refuses_a_benchmark_s_problem_by_its_words_and_by_its_code() -> None:
    problems = load_suite("builtin", None)
    problem = next(one for one in problems if one.reference and len(one.spec.split()) > 30)
    refuse = leak_guard(problems)
    assert problem.id in str(refuse(hit(f"{problem.spec}\n\nmodule m; endmodule")))
    renamed = str(problem.reference).replace("assign", " assign  ")
    assert problem.id in str(refuse(hit(f"Another text altogether.\n\n{renamed}")))
    assert (
        refuse(hit("A flag that stays set.\n\nmodule f(input a, output reg b); always @(a) b = a; endmodule")) is None
    )
    built = context([hit(f"x {problem.spec}"), hit(TEXTS[0])], refuse=refuse)
    assert built.ids == ("one",)
    assert built.left_out[0].reason.startswith("copies builtin")


def test_of_a_parametric_suite_the_design_and_the_text_are_refused_and_the_family_is_shown(pairs: Path) -> None:
    problems = list(ParametricTeacher(FAMILIES).problems(0, 60))
    refuse = leak_guard(problems)
    assert [refuse(hit(entry.text)) for entry in examples_of_pairs(pairs)] == [None] * 400
    for problem in problems[:20]:
        copied = f"copies parametric {problem.id}"
        assert refuse(hit(f"As it was told.\n\n{problem.spec}\n\nmodule m(input a); endmodule")) == copied
        ports = re.findall(r"(\w+)\s*[,)]", str(problem.reference).partition(";")[0])
        renamed = re.sub(rf"\b({'|'.join(ports)})\b", r"\1_of_mine", str(problem.reference))
        assert renamed != problem.reference
        assert str(refuse(hit(f"In other words.\n\n{renamed}"))).startswith("copies parametric")


@pytest.mark.parametrize("settings", [{"least_example": 2}, {"budget": -1}, {"alike": 0}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ContextSettings(**settings)  # type: ignore[arg-type]
