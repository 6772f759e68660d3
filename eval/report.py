"""What a scoring run found, as numbers with intervals and as a page to read.

Reads problems, verdicts and the problems that cannot pass; gives the contents of report.json and report.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from autovcoder.records import Problem, Record, Rule, Status, Verdict
from eval.metrics import bootstrap_interval, pass_at_k
from eval.suites import suite_hash

Key = tuple[str, int]
KS = (1, 5, 10)


class Rate(Record):
    """A mean over problems, with its 95 % bootstrap interval; ``count`` answers where it is a share of answers."""

    value: float
    low: float
    high: float
    count: int | None = None


class PassRates(Record):
    """Unbiased pass@k over some problems; an answer that nobody gave is one that fails.

    Attributes:
        problems: how many problems the means are over.
        function: k to pass@k, where an answer counts when its verdict is ``pass``.
        syntax: k to pass@k, where an answer counts when it compiled with the testbench, that is, reached simulation.
            Both hold those k of 1, 5 and 10 that every answered problem of the run has answers for.
    """

    problems: int
    function: dict[int, Rate]
    syntax: dict[int, Rate]


class Scores(Record):
    """The pass rates over a set of problems, and over each category in it (empty where all that were asked is one)."""

    overall: PassRates
    by_category: dict[str, PassRates]


class Report(Record):
    """The result of one run: every score twice, over all problems and over those that can be passed here.

    Attributes:
        suite, suite_hash: the benchmark's name, and the hash of the problems asked.
        rule: ``ours``, each problem's own pass rule; or ``official``, VerilogEval v1's evaluator.
        simulator: name and version of what decided.
        source: where the answers came from and how they were drawn; ``model`` is in it.
        problems: how many problems were asked. ``answers``: how many answers have a verdict; ``by_status`` counts them.
        raw: over all problems asked: those that cannot be decided here and those without an answer count as failures.
        passable: over the problems that are not in ``cannot_pass``; those without an answer count as failures.
        by_status: share of answers with each verdict that occurs, the mean over answered problems of a problem's share.
        cannot_pass: problem id to why no answer that does as it is asked can pass here: its own reference does not pass
            (then its answers were not simulated), or its bench wants another interface than its text states.
        unanswered: problems that are not in ``cannot_pass`` and have no answer.
        waiting: None when the run is finished. In the partial report of an interrupted run the number of answers that
            had no verdict yet; there ``raw`` and ``passable`` leave out the problems of which no answer was decided,
            and ``unanswered`` is empty.
    """

    suite: str
    suite_hash: str
    rule: Rule
    simulator: str
    source: dict[str, Any]
    problems: int
    answers: int
    raw: Scores
    passable: Scores
    by_status: dict[Status, Rate]
    cannot_pass: dict[str, str]
    unanswered: tuple[str, ...]
    waiting: int | None = None


def make_report(
    problems: Sequence[Problem],
    verdicts: Mapping[Key, Verdict],
    *,
    source: Mapping[str, Any],
    simulator: str,
    cannot_pass: Mapping[str, str],
    rule: Rule = "ours",
    waiting: int | None = None,
) -> Report:
    """The scores of ``verdicts``, which maps (problem id, answer index) to what the answer did.

    Args:
        problems: all that were asked.
        cannot_pass: problem id to why.
        waiting: answers still without a verdict, which makes the report a partial one.
    """
    of_problem: dict[str, list[Verdict]] = defaultdict(list)
    for (problem_id, _), verdict in verdicts.items():
        of_problem[problem_id].append(verdict)
    unanswered = tuple(p.id for p in problems if p.id not in of_problem and p.id not in cannot_pass)
    counted = [p for p in problems if waiting is None or p.id in of_problem]
    fewest = min(map(len, of_problem.values()), default=0)
    ks = [k for k in KS if k <= fewest]
    several = len({problem.category for problem in problems}) > 1
    return Report(
        suite=problems[0].suite,
        suite_hash=suite_hash(problems),
        rule=rule,
        simulator=simulator,
        source=dict(source),
        problems=len(problems),
        answers=len(verdicts),
        raw=_scores(counted, of_problem, ks, by_category=several),
        passable=_scores([p for p in counted if p.id not in cannot_pass], of_problem, ks, by_category=several),
        by_status=_by_status([of_problem[problem.id] for problem in problems if problem.id in of_problem]),
        cannot_pass=dict(cannot_pass),
        unanswered=unanswered if waiting is None else (),
        waiting=waiting,
    )


def rate_of(values: Sequence[float], *, count: int | None = None) -> Rate:
    """The mean of one value a problem, with its bootstrap interval, in which it lies."""
    mean = math.fsum(values) / len(values)
    low, high = bootstrap_interval(values)
    # Where all values are equal, rounding may put their mean 3e-17 beside them, and nothing can draw such an interval.
    return Rate(value=mean, low=min(low, mean), high=max(high, mean), count=count)


def _scores(
    problems: Sequence[Problem], verdicts: Mapping[str, Sequence[Verdict]], ks: Sequence[int], *, by_category: bool
) -> Scores:
    of_category: dict[str, list[Sequence[Verdict]]] = defaultdict(list)
    for problem in problems:
        of_category[problem.category].append(verdicts.get(problem.id, ()))
    return Scores(
        overall=_pass_rates([verdicts.get(problem.id, ()) for problem in problems], ks),
        by_category={name: _pass_rates(of_category[name], ks) for name in sorted(of_category) if by_category},
    )


def _pass_rates(answers: Sequence[Sequence[Verdict]], ks: Sequence[int]) -> PassRates:
    """The rates over problems, each given by the verdicts on its answers; none counts as a failure."""

    def rates(good: Callable[[Verdict], bool]) -> dict[int, Rate]:
        counts = [(len(some), sum(map(good, some))) for some in answers]
        return {k: rate_of([pass_at_k(n, c, k) if n else 0.0 for n, c in counts]) for k in ks if counts}

    return PassRates(
        problems=len(answers), function=rates(lambda v: v.passed), syntax=rates(lambda v: v.stage == "simulate")
    )


def _by_status(answers: Sequence[Sequence[Verdict]]) -> dict[Status, Rate]:
    shares: dict[Status, Rate] = {}
    for status in get_args(Status):
        hits = [sum(verdict.status == status for verdict in some) for some in answers]
        if any(hits):
            values = [hit / len(some) for hit, some in zip(hits, answers, strict=True)]
            shares[status] = rate_of(values, count=sum(hits))
    return shares


def to_markdown(report: Report) -> str:
    """The report as a page that reads well both as plain text and as Markdown."""
    lines = [f"# {report.suite}: {report.source.get('model', 'answers')}", "", *_head(report), ""]
    rates = [
        (f"{kind} pass@{k}", *numbers(rate), *(numbers(passable[k]) if k in passable else ("-", "-")))
        for kind, raw, passable in (
            ("syntax", report.raw.overall.syntax, report.passable.overall.syntax),
            ("function", report.raw.overall.function, report.passable.overall.function),
        )
        for k, rate in raw.items()
    ]
    if rates:
        lines += [*table(("rate", "raw", "interval", "passable", "interval"), rates), ""]
    statuses = [(name, str(rate.count), *numbers(rate)) for name, rate in report.by_status.items()]
    if statuses:
        lines += [*table(("verdict", "answers", "share", "interval"), statuses), ""]
    if report.raw.by_category and rates:
        head = ("category", "problems", "syntax", "function", "interval", "passable", "syntax", "function", "interval")
        lines += ["Pass@1 by category, raw and passable:", "", *table(head, _category_rows(report)), ""]
    if report.cannot_pass:
        lines.append(f"Cannot pass here ({len(report.cannot_pass)}):")
        lines += [f"- {name}: {reason}" for name, reason in report.cannot_pass.items()]
    if report.unanswered:
        shown = ", ".join(report.unanswered[:10]) + (", ..." if len(report.unanswered) > 10 else "")
        lines.append(f"Without an answer ({len(report.unanswered)}): {shown}")
    return "\n".join(lines).rstrip() + "\n"


def _head(report: Report) -> list[str]:
    lost, silent = len(report.cannot_pass), len(report.unanswered)
    lines = []
    if report.waiting is not None:
        lines += [
            f"Interrupted: {report.answers} of {report.answers + report.waiting} answers were decided. Only problems",
            "with a decided answer are counted. Give the same command again to go on.",
            "",
        ]
    rule = ", rule: VerilogEval v1's own (official)" if report.rule == "official" else ""
    return [
        *lines,
        f"Problems asked: {report.problems}, sha256 {report.suite_hash}.",
        f"Answers decided: {report.answers}, by {report.simulator}{rule}.",
        "",
        f"Raw is over {_problems(report.raw)}; passable leaves out {lost} that no answer can pass here.",
        f"Problems without an answer ({silent}) count as failures.",
        "Syntax counts answers that compile with the testbench. Intervals are 95 %, bootstrapped over problems.",
    ]


def _problems(scores: Scores) -> str:
    count = scores.overall.problems
    return f"{count} problem" if count == 1 else f"{count} problems"


def _category_rows(report: Report) -> list[tuple[str, ...]]:
    passable = report.passable.by_category
    return [(name, *_cells(raw), *_cells(passable.get(name))) for name, raw in report.raw.by_category.items()]


def _cells(rates: PassRates | None) -> tuple[str, ...]:
    if rates is None:
        return "0", "-", "-", "-"
    return str(rates.problems), numbers(rates.syntax[1])[0], *numbers(rates.function[1])


def numbers(rate: Rate) -> tuple[str, str]:
    """A rate and its interval as two cells of a table."""
    return f"{rate.value:.4f}", f"{rate.low:.3f} to {rate.high:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table with its columns aligned."""
    cells = [head, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
