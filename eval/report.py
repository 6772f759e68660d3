"""What a scoring run found, as numbers with intervals and as a page to read.

Reads problems, verdicts and the problems that could not be scored; writes report.json and report.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from autovcoder.records import Problem, Record, Status, Verdict
from eval.metrics import bootstrap_interval, mean_pass_at_k, pass_at_k
from eval.suites import suite_hash

Key = tuple[str, int]
KS = (1, 5, 10)


class Rate(Record):
    """A mean over problems, with its 95 % bootstrap interval; ``count`` answers where it is a share of answers."""

    value: float
    low: float
    high: float
    count: int | None = None


class Report(Record):
    """The result of one run.

    Attributes:
        source: where the answers came from and how they were drawn.
        problems: scored problems that have answers. ``answers``: their answers.
        pass_at_k: k to the unbiased pass@k; only k that every problem has answers for.
        reached_simulation: share of answers that compiled with the testbench.
        by_status: share of answers with each verdict. Every share is the mean over problems of a problem's share.
        by_category: pass@1 of each category, empty where there is only one.
        not_scored: problem id to why this machine cannot score it; such problems are in none of the rates.
        floor: pass@1 if the ``not_scored`` and the ``unanswered`` problems counted as failures.
        unanswered: problems without any answer; in none of the rates.
    """

    suite: str
    suite_hash: str
    source: dict[str, Any]
    simulator: str
    problems: int
    answers: int
    pass_at_k: dict[int, Rate]
    reached_simulation: Rate
    by_status: dict[Status, Rate]
    by_category: dict[str, Rate]
    not_scored: dict[str, str]
    floor: float
    unanswered: tuple[str, ...]


def make_report(
    problems: Sequence[Problem],
    verdicts: Mapping[Key, Verdict],
    *,
    source: Mapping[str, Any],
    simulator: str,
    not_scored: Mapping[str, str],
    unanswered: Sequence[str],
) -> Report:
    """The rates of ``verdicts``, which maps (problem id, answer index) to what the answer did; not empty."""
    of_problem: dict[str, list[Verdict]] = defaultdict(list)
    for (problem_id, _), verdict in verdicts.items():
        of_problem[problem_id].append(verdict)
    scored = [problem for problem in problems if problem.id in of_problem]
    counts = [_counts(of_problem[problem.id]) for problem in scored]
    first = [pass_at_k(n, c, 1) for n, c in counts]
    statuses = Counter(verdict.status for verdict in verdicts.values())
    lost = len({*not_scored, *unanswered})
    return Report(
        suite=problems[0].suite,
        suite_hash=suite_hash(problems),
        source=dict(source),
        simulator=simulator,
        problems=len(scored),
        answers=len(verdicts),
        pass_at_k={
            k: rate_of([pass_at_k(n, c, k) for n, c in counts], value=mean_pass_at_k(counts, k))
            for k in KS
            if k <= min(n for n, _ in counts)
        },
        reached_simulation=_share([[v.stage == "simulate" for v in of_problem[p.id]] for p in scored]),
        by_status={
            status: _share([[v.status == status for v in of_problem[p.id]] for p in scored])
            for status in get_args(Status)
            if statuses[status]
        },
        by_category=_by_category(scored, first),
        not_scored=dict(not_scored),
        floor=sum(first) / (len(scored) + lost),
        unanswered=tuple(unanswered),
    )


def to_markdown(report: Report) -> str:
    """The report as a page that reads well both as plain text and as Markdown."""
    lines = [
        f"# {report.suite}: {report.source.get('model', 'answers')}",
        "",
        f"{report.answers} answers to {report.problems} problems, decided by {report.simulator}.",
        "The intervals are 95 %, bootstrapped over problems.",
        "",
    ]
    rows = [(f"pass@{k}", "", *_numbers(rate)) for k, rate in report.pass_at_k.items()]
    lines += [*_table(("rate", "", "value", "interval"), rows), ""]
    shares = [*report.by_status.items(), ("(compiled and ran)", report.reached_simulation)]
    rows = [(name, str(rate.count), *_numbers(rate)) for name, rate in shares]
    lines += [*_table(("verdict", "answers", "share", "interval"), rows), ""]
    if report.by_category:
        rows = [(name, "", *_numbers(rate)) for name, rate in report.by_category.items()]
        lines += [*_table(("category", "", "pass@1", "interval"), rows), ""]
    lines += _notes(report)
    return "\n".join(lines).rstrip() + "\n"


def _notes(report: Report) -> list[str]:
    notes = []
    if report.not_scored:
        notes.append(f"Not scored ({len(report.not_scored)}), because this machine cannot decide them:")
        notes += [f"- {name}: {reason}" for name, reason in report.not_scored.items()]
    if report.unanswered:
        shown = ", ".join(report.unanswered[:10]) + (", ..." if len(report.unanswered) > 10 else "")
        notes.append(f"Without an answer, and in none of the rates ({len(report.unanswered)}): {shown}")
    if notes:
        notes.append(f"Counted as failures, they would make pass@1 {report.floor:.4f}.")
    return notes


def _by_category(scored: Sequence[Problem], first: Sequence[float]) -> dict[str, Rate]:
    values: dict[str, list[float]] = defaultdict(list)
    for problem, value in zip(scored, first, strict=True):
        values[problem.category].append(value)
    return {name: rate_of(values[name]) for name in sorted(values)} if len(values) > 1 else {}


def _counts(verdicts: Sequence[Verdict]) -> tuple[int, int]:
    return len(verdicts), sum(verdict.passed for verdict in verdicts)


def _share(hits: Sequence[Sequence[bool]]) -> Rate:
    return rate_of([sum(hit) / len(hit) for hit in hits], count=sum(map(sum, hits)))


def rate_of(values: Sequence[float], *, value: float | None = None, count: int | None = None) -> Rate:
    """The mean of one value a problem (or ``value``, where it is known exactly) with its bootstrap interval."""
    low, high = bootstrap_interval(values)
    return Rate(value=sum(values) / len(values) if value is None else value, low=low, high=high, count=count)


def _numbers(rate: Rate) -> tuple[str, str]:
    return f"{rate.value:.4f}", f"{rate.low:.3f} to {rate.high:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table with its columns aligned; a column that is empty throughout is left out."""
    kept = [i for i, name in enumerate(head) if name or any(row[i] for row in rows)]
    cells = [[row[i] for i in kept] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(kept))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
