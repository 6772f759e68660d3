"""The scores of a run: over which problems, of what, with what interval; and the page that shows them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.records import Problem, SimStage, Status, Verdict
from eval.metrics import bootstrap_interval
from eval.report import Key, Report, make_report, to_markdown
from eval.suites import suite_hash

from .suite_of_two import problem

STAGES: dict[Status, SimStage] = {"pass": "simulate", "mismatch": "simulate", "timeout": "elaborate",
                                  "syntax_error": "parse", "no_code": "extract"}  # fmt: skip


def verdicts(**of_problem: str) -> dict[Key, Verdict]:
    """Problem id to its answers, a letter each: p(ass), m(ismatch), t(imeout of the compiler), s(yntax), n(o code)."""
    words: dict[str, Status] = {status[0]: status for status in STAGES}
    return {
        (name, index): Verdict(status=words[letter], stage=STAGES[words[letter]])
        for name, letters in of_problem.items()
        for index, letter in enumerate(letters)
    }


def suite(*names: str) -> list[Problem]:
    """Problems whose id begins with their category."""
    return [problem(name, "~a", category=name[0]) for name in names]


def report(problems: list[Problem], found: dict[Key, Verdict], **more: object) -> Report:
    given_: dict[str, object] = {"source": {"model": "m"}, "simulator": "Icarus 0", "cannot_pass": {}, **more}
    return make_report(problems, found, **given_)  # type: ignore[arg-type]


def test_every_score_is_there_raw_and_over_what_can_be_passed() -> None:
    problems = suite("a1", "a2", "b1", "b2")
    found = report(problems, verdicts(a1="pm", a2="st", b1="pp"), cannot_pass={"b2": "no cast"})
    raw, passable = found.raw.overall, found.passable.overall
    assert (raw.problems, passable.problems, found.problems, found.answers) == (4, 3, 4, 6)
    assert raw.function[1].value == pytest.approx(1.5 / 4)
    assert passable.function[1].value == pytest.approx(1.5 / 3)
    assert raw.syntax[1].value == pytest.approx(2 / 4)
    assert passable.syntax[1].value == pytest.approx(2 / 3)
    assert (raw.function[1].low, raw.function[1].high) == bootstrap_interval([0.5, 0.0, 1.0, 0.0])
    assert found.cannot_pass == {"b2": "no cast"}
    assert (found.suite_hash, found.rule, found.waiting) == (suite_hash(problems), "ours", None)


def test_categories_have_the_same_scores() -> None:
    found = report(suite("a1", "a2", "b1", "c1"), verdicts(a1="pm", a2="mm", b1="ps"), cannot_pass={"c1": "race"})
    assert {name: rates.function[1].value for name, rates in found.raw.by_category.items()} == {
        "a": 0.25, "b": 0.5, "c": 0.0}  # fmt: skip
    assert {name: rates.syntax[1].value for name, rates in found.passable.by_category.items()} == {"a": 1.0, "b": 0.5}
    assert report(suite("a1", "a2"), verdicts(a1="p", a2="m")).raw.by_category == {}


def test_a_problem_without_an_answer_is_a_failure_and_named() -> None:
    found = report(suite("a1", "a2"), verdicts(a1="pm"))
    assert found.unanswered == ("a2",)
    assert found.raw.overall.function[1].value == found.passable.overall.function[1].value == 0.25


def test_k_goes_as_far_as_every_answered_problem_has_answers() -> None:
    assert list(report(suite("a1", "a2"), verdicts(a1="p" * 10, a2="m" * 4)).raw.overall.function) == [1]
    found = report(suite("a1", "a2", "a3"), verdicts(a1="ppppp" + "m" * 5, a2="n" * 10)).raw.overall
    assert list(found.function) == list(found.syntax) == [1, 5, 10]
    assert found.function[5].value == pytest.approx((1 - 1 / 252) / 3)


def test_statuses_are_counted_and_shared_over_problems() -> None:
    found = report(suite("a1", "a2", "a3"), verdicts(a1="pmmm", a2="p")).by_status
    assert {name: (rate.count, rate.value) for name, rate in found.items()} == {
        "pass": (2, 0.625),
        "mismatch": (3, 0.375),
    }


def test_a_partial_report_counts_only_what_was_begun_and_says_so() -> None:
    found = report(suite("a1", "a2", "a3"), verdicts(a1="pm"), cannot_pass={"a3": "no cast"}, waiting=7)
    assert (found.raw.overall.problems, found.passable.overall.problems) == (1, 1)
    assert (found.unanswered, found.waiting) == ((), 7)
    assert "Interrupted: 2 of 9 answers were decided." in to_markdown(found)


def test_a_partial_report_of_nothing_can_be_read() -> None:
    found = report(suite("a1", "b2"), {}, waiting=3)
    assert found.raw.overall.function == {}
    assert "Interrupted: 0 of 3 answers were decided." in to_markdown(found)
    assert Report.model_validate_json(found.model_dump_json()) == found


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(alphabet="pmtsn", max_size=12), min_size=1, max_size=8), st.sets(st.integers(0, 7)))
def test_raw_is_never_above_passable_nor_function_above_syntax(letters: list[str], lost: set[int]) -> None:
    names = [f"{'ab'[i % 2]}{i}" for i in range(len(letters))]
    cannot = {names[i]: "why" for i in lost if i < len(names)}
    kept = {name: some for name, some in zip(names, letters, strict=True) if name not in cannot}
    found = report(suite(*names), verdicts(**kept), cannot_pass=cannot)
    for k, raw in found.raw.overall.function.items():
        if found.passable.overall.problems:
            assert raw.value <= found.passable.overall.function[k].value
            assert found.passable.overall.function[k].value <= found.passable.overall.syntax[k].value
        assert raw.low <= raw.value + 1e-12
        assert raw.value <= raw.high + 1e-12
    assert Report.model_validate_json(found.model_dump_json()) == found
    to_markdown(found)


def test_the_page_shows_raw_and_passable_side_by_side_and_reads_as_text() -> None:
    found = report(
        suite("a1", "a2", "b1", "c1"),
        verdicts(a1="pm", a2="st", b1="pp"),
        cannot_pass={"c1": "no cast"},
        rule="official",
    )
    page = to_markdown(found)
    assert "| function pass@1 | 0.3750 |" in page
    assert "| 0.5000   |" in page
    assert "official" in page
    assert "- c1: no cast" in page
    tables = [[line for line in block.splitlines() if line.startswith("|")] for block in page.split("\n\n")]
    assert len([some for some in tables if some]) == 3
    for some in filter(None, tables):
        assert len({len(line) for line in some}) == 1
        assert len({line.count("|") for line in some}) == 1
