"""Whether one run is better than another: paired by problem, since both were asked the same ones.

Reads two finished run folders; writes nothing. The numbers are over the problems that can be passed here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.files import read_jsonl
from autovcoder.records import Record, Rule
from autovcoder.store import Manifest, read_manifest
from eval.metrics import pass_at_k, percentile_interval, resampled_means, sign_flip_p_value
from eval.report import KS, Rate, Report, numbers, rate_of, table
from eval.results import SAMPLES, VERDICTS, read_report

RESAMPLES = 10_000
# Means of equal values may differ in their last bits; real differences are at least one answer of one problem.
_TIE = 1e-12
_SHOWN = 20


class Side(Record):
    """One of the two runs; ``answers`` are those of the compared problems."""

    folder: str
    source: dict[str, Any]
    answers: int


class Paired(Record):
    """Pass@k of both runs, the paired difference, and how sure it is.

    Attributes:
        difference: b minus a, with the bootstrap interval over problems, each resampled with both its sides.
        b_better: the share of paired bootstrap resamples in which b's mean is higher; ties count half.
    """

    a: Rate
    b: Rate
    difference: Rate
    b_better: float


class Change(Record):
    """A problem on which the runs differ: the share of passing answers in each; ``flip`` where the majority changed."""

    problem_id: str
    a: float
    b: float
    flip: bool


class Comparison(Record):
    """Two runs on the same problems.

    Attributes:
        problems: how many can be passed here, and are compared; a problem without an answer counts as failed.
        pass_at_k: k to the pair, for those k of 1, 5 and 10 that both runs have answers for.
        p_value: of the exact paired test on pass@1 (`eval.metrics.sign_flip_p_value`), two-sided; None where the
            numbers of answers are so uneven that it cannot be counted.
        gained: problems that b passes more often than a, ``lost``: less often; flips first, then by how much.
        warnings: what makes the comparison weaker, a line each.
    """

    suite: str
    suite_hash: str
    simulator: str
    rule: Rule
    a: Side
    b: Side
    problems: int
    pass_at_k: dict[int, Paired]
    p_value: float | None
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    warnings: tuple[str, ...]


class _Loaded:
    """A finished run: its report, what it was started with, and (answers, passes) of each problem."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _manifest(folder)
        self.report: Report = read_report(folder)
        answers: Counter[str] = Counter()
        passes: Counter[str] = Counter()
        for row in read_jsonl(folder / VERDICTS):
            answers[row["problem_id"]] += 1
            passes[row["problem_id"]] += row["status"] == "pass"
        self.counts = {name: (count, passes[name]) for name, count in answers.items()}
        self.counts |= dict.fromkeys(self.report.unanswered, (0, 0))
        # Answers that were recorded elsewhere have no known prompt.
        self.prompts_known = all(row["prompt_sha256"] for row in read_jsonl(folder / SAMPLES))


def compare_runs(a: Path, b: Path) -> Comparison:
    """Compare two finished run folders, problem by problem.

    Raises:
        StoreError: one is not a finished run, or is damaged.
        InputError: they are runs on different problems, or were decided differently.
    """
    one, other = _Loaded(a), _Loaded(b)
    _refuse_unlike(one, other)
    left_out = {*one.report.cannot_pass, *other.report.cannot_pass}
    names = sorted({*one.counts, *other.counts} - left_out)
    if not names:
        raise InputError("these runs have no problem in common that can be passed", where=f"{a}, {b}")
    counts = [[run.counts.get(name, (0, 0)) for name in names] for run in (one, other)]
    fewest = min((n for some in counts for n, _ in some if n), default=0)
    changes = changes_between(names, *counts)
    return Comparison(
        suite=one.report.suite,
        suite_hash=one.report.suite_hash,
        simulator=one.report.simulator,
        rule=one.report.rule,
        a=_side(one, counts[0]),
        b=_side(other, counts[1]),
        problems=len(names),
        pass_at_k={k: paired(*([_at(k, *pair) for pair in some] for some in counts)) for k in KS if k <= fewest},
        p_value=exact_p_value(*counts),
        gained=tuple(change for change in changes if change.b > change.a),
        lost=tuple(change for change in changes if change.b < change.a),
        warnings=tuple(_warnings(one, other, counts)),
    )


def _manifest(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest.stage != "eval.run":
        raise InputError("not the folder of an evaluation", where=f"{folder} (it holds {manifest.stage})")
    return manifest


def _refuse_unlike(a: _Loaded, b: _Loaded) -> None:
    for what in ("suite", "suite_hash", "simulator", "rule"):
        ours, theirs = (getattr(run.report, what) for run in (a, b))
        if ours != theirs:
            words = what.replace("_", " ")
            raise InputError(
                f"these runs cannot be compared, because the {words} differs",
                where=f"{a.folder} has {ours[:60]}, {b.folder} has {theirs[:60]}",
                fix="score both on the same problems in the same way",
            )


def _side(run: _Loaded, counts: Sequence[tuple[int, int]]) -> Side:
    return Side(folder=str(run.folder), source=run.report.source, answers=sum(n for n, _ in counts))


def _at(k: int, n: int, c: int) -> float:
    return pass_at_k(n, c, k) if n else 0.0


def paired(a: Sequence[float], b: Sequence[float]) -> Paired:
    """Two runs' pass@k, one value a problem in the same order, not empty."""
    differences = [y - x for x, y in zip(a, b, strict=True)]
    means = resampled_means(differences, resamples=RESAMPLES)
    low, high = percentile_interval(means)
    higher, equal = int((means > _TIE).sum()), int((abs(means) <= _TIE).sum())
    return Paired(
        a=rate_of(a),
        b=rate_of(b),
        difference=Rate(value=math.fsum(differences) / len(differences), low=low, high=high),
        b_better=(higher + equal / 2) / RESAMPLES,
    )


def exact_p_value(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> float | None:
    """The exact test on the problems' pass@1, in units in which every difference is whole."""
    unit = math.lcm(*(n for n, _ in (*a, *b) if n))
    shares = [[c * (unit // n) if n else 0 for n, c in some] for some in (a, b)]
    return sign_flip_p_value([y - x for x, y in zip(*shares, strict=True)])


def changes_between(names: Sequence[str], a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> list[Change]:
    """The problems with another rate, flips first, then by how much."""
    found = []
    for name, before, after in zip(names, a, b, strict=True):
        x, y = _at(1, *before), _at(1, *after)
        if x != y:
            found.append(Change(problem_id=name, a=x, b=y, flip=(x > 0.5) != (y > 0.5)))
    return sorted(found, key=lambda change: (not change.flip, -abs(change.b - change.a), change.problem_id))


def _warnings(a: _Loaded, b: _Loaded, counts: Sequence[Sequence[tuple[int, int]]]) -> list[str]:
    lines = []
    unknown = [name for name, run in (("A", a), ("B", b)) if not run.prompts_known]
    if unknown:
        lines.append(f"how the answers of {' and '.join(unknown)} were prompted is not known")
    elif a.manifest.config["prompts"] != b.manifest.config["prompts"]:
        lines.append("the prompts differ")
    uneven = sum(x[0] != y[0] for x, y in zip(*counts, strict=True))
    if uneven:
        lines.append(f"the numbers of answers differ on {uneven} of {len(counts[0])} problems")
    if a.report.cannot_pass.keys() != b.report.cannot_pass.keys():
        lines.append("other problems could not pass here; those of both are left out")
    return lines


def to_text(comparison: Comparison) -> str:
    """The comparison as a page that reads well both as plain text and as Markdown."""
    a, b = comparison.a, comparison.b
    rule = ", rule: VerilogEval v1's own (official)" if comparison.rule == "official" else ""
    lines = [
        f"# {comparison.suite}: B against A",
        "",
        f"A: {a.source.get('model', 'answers')}, {a.answers} answers ({a.folder})",
        f"B: {b.source.get('model', 'answers')}, {b.answers} answers ({b.folder})",
        f"Over {comparison.problems} problems that can be passed here, decided by {comparison.simulator}{rule}.",
        *(f"Mind: {warning}." for warning in comparison.warnings),
        "",
        *table(
            ("rate", "A", "interval", "B", "interval", "B - A", "interval", "B is better"), _rows(comparison.pass_at_k)
        ),
        "",
    ]
    if comparison.p_value is not None:
        lines += [f"Exact paired test on pass@1, two-sided: p = {comparison.p_value:.4g}.", ""]
    lines += _change_lines("gained", comparison.gained) + _change_lines("lost", comparison.lost)
    return "\n".join(lines).rstrip() + "\n"


def _rows(pass_at_k: Mapping[int, Paired]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for k, pair in pass_at_k.items():
        change = pair.difference
        signed = (f"{change.value:+.4f}", f"{change.low:+.3f} to {change.high:+.3f}")
        rows.append((f"pass@{k}", *numbers(pair.a), *numbers(pair.b), *signed, f"{pair.b_better:.4f}"))
    return rows


def _change_lines(word: str, changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    flips = sum(change.flip for change in changes)
    rows = [
        (change.problem_id, f"{change.a:.2f}", f"{change.b:.2f}", "yes" if change.flip else "")
        for change in changes[:_SHOWN]
    ]
    lines = [f"B {word} on {len(changes)} problems; flips, where the majority of the answers changed: {flips}.", ""]
    lines += table(("problem", "A passes", "B passes", "flip"), rows)
    if len(changes) > _SHOWN:
        lines.append(f"and {len(changes) - _SHOWN} more (see --json)")
    return [*lines, ""]
