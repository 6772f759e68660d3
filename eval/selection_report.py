"""What choosing by consensus was worth: how often the chosen answer passes, against the mean, the first and the best.

Reads what was chosen and a run's verdicts; writes records and Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from autovcoder.records import Record, Verdict
from eval.report import Rate, numbers, rate_of, table
from hdl_sim.consensus import Selection

_BINS = 5

Verdicts = dict[str, list[Verdict | None]]
"""Problem id to the verdict on each answer, in the order of their indices; None where there is none."""


class Chosen(Record):
    """One problem: what was chosen, and how that compares. Indices are places in the order of the answers' own.

    Attributes:
        first: the first answer that could be simulated; None where none could.
        mended: the code of answers that were mended by rule (`hdl_sim.repair`), by index.
    """

    problem_id: str
    selection: Selection
    first: int | None
    mended: dict[int, str] = Field(default_factory=dict)
    seconds: float


class Calibration(Record):
    """The problems whose confidence lies in one range: how sure the choice was, and how often it was right."""

    low: float
    high: float
    problems: int
    confidence: float
    right: float


class Mending(Record):
    """What mending by rule did to answers that had code and did not come to be simulated.

    Attributes:
        failing: how many there were. ``mended``: that then compiled with the testbench. ``passed``: that then passed.
    """

    failing: int
    mended: int
    passed: int


class SelectionReport(Record):
    """Shares of problems, with bootstrap intervals over problems; those that cannot be passed count as failures.

    Attributes:
        mean: of answers that pass as they were written, the mean over problems (pass@1).
        first: whose first answer that can be simulated passes. ``consensus``: whose chosen answer passes.
        best: with any answer that passes. These three are after mending, where there was any.
        gain: consensus less mean, paired by problem.
        mending: None where nothing was to be mended.
        calibration: by confidence, the lowest first; ``error``: the mean distance between confidence and share,
            weighted by problems.
        designs: different ones that were simulated. ``per_second``: of them, on this machine, mending included.
    """

    run: str
    source: str
    problems: int
    answers: int
    mean: Rate
    first: Rate
    consensus: Rate
    best: Rate
    gain: Rate
    mending: Mending | None
    calibration: tuple[Calibration, ...]
    error: float
    designs: int
    per_second: float


def make_report(
    chosen: Sequence[Chosen], written: Verdicts, after: Verdicts, *, run: str, source: str, problems: int
) -> SelectionReport:
    """The shares.

    Args:
        chosen: of each problem that has answers. ``written``: the verdicts on their answers as they were written.
            ``after``: the same after mending.
        problems: how many were asked; those without an answer count as failures.
    """
    passed = {name: [verdict is not None and verdict.passed for verdict in found] for name, found in after.items()}
    none = [0.0] * (problems - len(chosen))

    def rates(place_of: list[int | None]) -> list[float]:
        places = zip(chosen, place_of, strict=True)
        return [float(place is not None and passed[one.problem_id][place]) for one, place in places] + none

    means = [_share(written[one.problem_id]) for one in chosen] + none
    right = rates([one.selection.best for one in chosen])
    calibration = _calibration(
        [
            (one.selection.confidence, value)
            for one, value in zip(chosen, right, strict=False)
            if one.selection.confidence is not None
        ]
    )
    counted = sum(one.problems for one in calibration)
    seconds = sum(one.seconds for one in chosen)
    designs = sum(one.selection.simulated for one in chosen)
    return SelectionReport(
        run=run,
        source=source,
        problems=problems,
        answers=sum(map(len, written.values())),
        mean=rate_of(means),
        first=rate_of(rates([one.first for one in chosen])),
        consensus=rate_of(right),
        best=rate_of([float(any(passed[one.problem_id])) for one in chosen] + none),
        gain=rate_of([one - mean for one, mean in zip(right, means, strict=True)]),
        mending=_mending(chosen, written, after),
        calibration=calibration,
        error=sum(one.problems * abs(one.confidence - one.right) for one in calibration) / counted if counted else 0.0,
        designs=designs,
        per_second=designs / seconds if seconds else 0.0,
    )


def _share(found: Sequence[Verdict | None]) -> float:
    return sum(verdict is not None and verdict.passed for verdict in found) / len(found)


def _mending(chosen: Sequence[Chosen], written: Verdicts, after: Verdicts) -> Mending | None:
    if not any(one.mended for one in chosen):
        return None
    pairs = [
        (before, now)
        for one in chosen
        for before, now in zip(written[one.problem_id], after[one.problem_id], strict=True)
        if before is not None and before.stage != "simulate" and before.status != "no_code"
    ]
    mended = [now for before, now in pairs if now is not None and now is not before]
    return Mending(
        failing=len(pairs),
        mended=sum(now.stage == "simulate" for now in mended),
        passed=sum(now.passed for now in mended),
    )


def _calibration(pairs: Sequence[tuple[float, float]]) -> tuple[Calibration, ...]:
    found = []
    for number in range(_BINS):
        low, high = number / _BINS, (number + 1) / _BINS
        some = [(sure, right) for sure, right in pairs if low <= sure < high]
        if some:
            found.append(
                Calibration(
                    low=low,
                    high=high,
                    problems=len(some),
                    confidence=sum(sure for sure, _ in some) / len(some),
                    right=sum(right for _, right in some) / len(some),
                )
            )
    return tuple(found)


def to_text(report: SelectionReport) -> str:
    """The report as Markdown."""
    rows = [
        ("mean of the answers (pass@1)", *numbers(report.mean)),
        ("first that can be simulated", *numbers(report.first)),
        ("chosen by consensus", *numbers(report.consensus)),
        ("any answer", *numbers(report.best)),
        ("consensus less mean", *numbers(report.gain)),
    ]
    sure = [
        (f"{one.low:.1f} to {one.high:.1f}", str(one.problems), f"{one.confidence:.2f}", f"{one.right:.2f}")
        for one in report.calibration
    ]
    return "\n".join(
        [
            f"# One answer of several: {report.source}",
            "",
            f"{report.answers} answers to {report.problems} problems; no testbench was used to choose.",
            "",
            *table(("share of problems that pass", "rate", "95 % interval"), rows),
            "",
            *_mending_lines(report.mending),
            f"How often a choice was right, by how sure it was (mean distance {report.error:.3f}):",
            "",
            *table(("confidence", "problems", "mean", "right"), sure),
            "",
            f"{report.designs} different designs simulated, {report.per_second:.0f} a second.",
            "",
        ]
    )


def _mending_lines(mending: Mending | None) -> list[str]:
    if mending is None or not mending.failing:
        return []
    share, passing = mending.mended / mending.failing, mending.passed / mending.failing
    return [
        f"Mended by rule before choosing: of {mending.failing} answers that did not compile with the testbench "
        f"{mending.mended} then did ({share:.1%}), and {mending.passed} passed ({passing:.1%}).",
        "",
    ]
