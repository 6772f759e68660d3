"""A run's result in the forms that papers and leaderboards take.

Reads a report; returns a row of a LaTeX table, or a JSON-like object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from eval.report import KS, Key, PassRates, Rate, Report

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_SAMPLING = ("temperature", "top_p", "seed", "max_new_tokens")


def latex_row(report: Report) -> str:
    """``model & suite & pass@1 & pass@5 & pass@10``, in percent with 95 % intervals; ``--`` where k is not known.

    The rates are of function over all problems, as in published tables.
    """
    cells = [latex_text(str(report.source.get("model", "answers"))), latex_text(report.suite)]
    cells += [_cell(report.raw.overall.function.get(k)) for k in KS]
    return " & ".join(cells) + r" \\"


def latex_text(text: str) -> str:
    """Text in which LaTeX sees no command; a line break becomes a space."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def answers_each(answers: Iterable[Key]) -> int | None:
    """How many answers every problem has; None where their number differs."""
    counts = set(Counter(problem_id for problem_id, _ in answers).values())
    return counts.pop() if len(counts) == 1 else None


def leaderboard_entry(report: Report, *, n: int | None, version: str) -> dict[str, Any]:
    """What a leaderboard needs to list a run, and a reader to repeat it.

    Args:
        n: answers to each problem, None where that differs.
        version: of this package, as it scored.
    """
    return {
        "suite": report.suite,
        "suite_hash": report.suite_hash,
        "model": report.source.get("model"),
        # Of recorded answers nobody knows how they were sampled.
        "sampling": {key: report.source[key] for key in _SAMPLING if key in report.source} or None,
        "n": n,
        "problems": report.problems,
        "rule": report.rule,
        "raw": _rates(report.raw.overall),
        "passable": _rates(report.passable.overall),
        "simulator": report.simulator,
        "autovcoder": version,
    }


def _rates(rates: PassRates) -> dict[str, Any]:
    def by_k(some: dict[int, Rate]) -> dict[str, dict[str, float]]:
        return {f"pass@{k}": {"value": rate.value, "low": rate.low, "high": rate.high} for k, rate in some.items()}

    return {"problems": rates.problems, "function": by_k(rates.function), "syntax": by_k(rates.syntax)}


def _cell(rate: Rate | None) -> str:
    if rate is None:
        return "--"
    return rf"{100 * rate.value:.1f} {{\scriptsize [{100 * rate.low:.1f}, {100 * rate.high:.1f}]}}"
