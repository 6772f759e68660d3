"""The context of a problem: what is shown fits, is near enough, is told once, and gives no answer away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.cli.retrieval import leak_guard
from autovcoder.records import Context, Hit, StoreKind
from data_pipeline.parametric import ParametricTeacher
from eval.suites import load_suite
from rag.context import ContextSettings, build_contexts
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
    assert built.tokens == sum(len(text.split()) for text in built.texts) <= budget
    assert set(built.texts) <= {one.text for one in (*examples, *knowledge)}
    if sum(solved[:8]) + sum(known[:12]) <= budget:
        assert len(built.shown) == min(2, len(solved)) + min(3, len(known))


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
