"""What choosing by consensus is worth on a benchmark: one answer of each problem is chosen without its testbench.

Reads a finished run's folder; writes a stage folder with selections.jsonl, selection.json, and chosen.jsonl, answers as
`eval run --samples` takes them. Which answer is chosen depends on specifications and answers alone; the run's verdicts
are looked at afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import Field

from autovcoder.errors import InputError
from autovcoder.records import Problem, Record, Sample
from autovcoder.store import Stage, read_records, write_atomic, write_jsonl
from eval.answers import stated_by
from eval.report import Rate, Report, numbers, rate_of, table
from eval.results import SAMPLES, VERDICTS, read_report, samples_in, verdicts_in
from eval.suites import PROBLEMS
from hdl_sim.consensus import Selection, select
from hdl_sim.repair import repair
from hdl_sim.simulator import Simulator, in_parallel
from hdl_sim.slang import read_source
from hdl_sim.statement import compare
from hdl_sim.traces import Prints

SELECTIONS, CHOSEN, RESULT = "selections.jsonl", "chosen.jsonl", "selection.json"
_BINS = 5

Progress = Callable[[str, int, int], None]


class Chooser(Simulator, Prints, Protocol):
    """A simulator that gives verdicts and can show what a testbench printed."""


class Chosen(Record):
    """One problem: what was chosen, and how that compares.

    Attributes:
        first: the index of the first answer that could be simulated; None where none could.
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


class SelectionReport(Record):
    """Shares of problems, with bootstrap intervals over problems; those that cannot be passed count as failures.

    Attributes:
        mean: of answers that pass, the mean over problems (pass@1). ``first``: problems whose first answer that can be
            simulated passes. ``consensus``: whose chosen answer passes. ``best``: with any answer that passes.
        gain: consensus less mean, paired by problem.
        calibration: by confidence, the lowest first; ``error``: the mean distance between confidence and share,
            weighted by problems.
        designs: different ones that were simulated. ``per_second``: of them, on this machine.
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
    calibration: tuple[Calibration, ...]
    error: float
    designs: int
    per_second: float


def select_run(
    run: Path, simulator: Chooser, out: Path, *, progress: Progress = lambda what, done, total: None
) -> SelectionReport:
    """Choose an answer to each problem of a finished run, and compare with what its verdicts say.

    Raises:
        StoreError: ``run`` is not finished or damaged, or ``out`` belongs to something else.
        ToolMissing, ToolFailed: the simulator is not there, or broke; what was chosen is kept.
    """
    report = read_report(run)
    problems = list(read_records(run / PROBLEMS, Problem))
    answers: dict[str, list[Sample]] = {}
    for sample in samples_in(run):
        answers.setdefault(sample.problem_id, []).append(sample)
    if not answers:
        raise InputError("the run has no answers", where=run / SAMPLES)
    inputs = {name: run / name for name in (PROBLEMS, SAMPLES, VERDICTS)}
    with Stage(out, "eval.select", inputs=inputs, config={"simulator": simulator.name}) as stage:
        done = {row["problem_id"]: Chosen.model_validate(row) for row in stage.rows(SELECTIONS)}
        if not stage.done:
            stage.start()
            asked = [problem for problem in problems if problem.id in answers]
            for count, problem in enumerate(asked):
                if problem.id not in done:
                    progress(problem.id, count, len(asked))
                    done[problem.id] = choose(problem, answers[problem.id], simulator)
                    stage.append(SELECTIONS, done[problem.id])
            result = _result(run, report, problems, answers, done)
            write_atomic(out / RESULT, result.model_dump_json(indent=2) + "\n")
            rows = (_row(done[problem.id], answers[problem.id]) for problem in asked)
            write_jsonl(out / CHOSEN, rows)
            stage.finish(consensus=result.consensus.value, mean=result.mean.value)
        return SelectionReport.model_validate_json((out / RESULT).read_text(encoding="utf-8"))


def choose(problem: Problem, samples: Sequence[Sample], simulator: Chooser, *, mend: bool = False) -> Chosen:
    """Choose among the answers to one problem; indices are places in the order of the answers' own.

    Args:
        mend: mend by rule what does not compile or lacks the interface, before choosing.
    """
    started = time.perf_counter()
    stated = stated_by(problem)
    codes = [sample.code for sample in sorted(samples, key=lambda sample: sample.index)]
    mended: dict[int, str] = {}
    if mend:
        wanted = list(dict.fromkeys(code for code in codes if code))
        repairs = in_parallel(lambda code: repair(code, stated, simulator), wanted)
        found = {code: done.code for code, done in zip(wanted, repairs, strict=True) if done}
        mended = {index: found[code] for index, code in enumerate(codes) if code in found}
        codes = [mended.get(index, code) for index, code in enumerate(codes)]
    fits = [code if code and compare(stated, read_source(code)).agrees else None for code in codes]
    selection = select(fits, problem.spec, stated, simulator)
    driven = sorted(index for group in selection.groups for index in group.members)
    return Chosen(
        problem_id=problem.id,
        selection=selection,
        first=driven[0] if driven else None,
        mended=mended,
        seconds=time.perf_counter() - started,
    )


def _row(chosen: Chosen, samples: Sequence[Sample]) -> dict[str, object]:
    """The chosen answer, as a recording has it; where nothing could be simulated the first, so that it counts."""
    ordered = sorted(samples, key=lambda sample: sample.index)
    sample = ordered[chosen.selection.best or 0]
    sure = chosen.selection.confidence
    return {"task_id": sample.problem_id, "index": 0, "completion": sample.raw, "confidence": sure}


def _result(
    run: Path, report: Report, problems: Sequence[Problem], answers: dict[str, list[Sample]], done: dict[str, Chosen]
) -> SelectionReport:
    verdicts = verdicts_in(run)
    passed = {
        name: [
            (verdict := verdicts.get((name, sample.index))) is not None and verdict.passed
            for sample in sorted(samples, key=lambda sample: sample.index)
        ]
        for name, samples in answers.items()
    }

    def at(problem: Problem, place: int | None) -> float:
        return float(place is not None and passed[problem.id][place])

    asked = [problem for problem in problems if problem.id in answers]
    none = [0.0] * (len(problems) - len(asked))
    means = [sum(passed[problem.id]) / len(passed[problem.id]) for problem in asked] + none
    chosen = [at(problem, done[problem.id].selection.best) for problem in asked] + none
    seconds = sum(one.seconds for one in done.values())
    designs = sum(one.selection.simulated for one in done.values())
    calibration = _calibration(
        [
            (one.selection.confidence, at(problem, one.selection.best))
            for problem in asked
            if (one := done[problem.id]).selection.confidence is not None
        ]
    )
    counted = sum(one.problems for one in calibration)
    return SelectionReport(
        run=str(run),
        source=str(report.source.get("model", "")),
        problems=len(problems),
        answers=sum(map(len, answers.values())),
        mean=rate_of(means),
        first=rate_of([at(problem, done[problem.id].first) for problem in asked] + none),
        consensus=rate_of(chosen),
        best=rate_of([float(any(passed[problem.id])) for problem in asked] + none),
        gain=rate_of([one - mean for one, mean in zip(chosen, means, strict=True)]),
        calibration=calibration,
        error=sum(one.problems * abs(one.confidence - one.right) for one in calibration) / counted if counted else 0.0,
        designs=designs,
        per_second=designs / seconds if seconds else 0.0,
    )


def _calibration(pairs: Sequence[tuple[float | None, float]]) -> tuple[Calibration, ...]:
    found = []
    for number in range(_BINS):
        low, high = number / _BINS, (number + 1) / _BINS
        some = [(sure, right) for sure, right in pairs if sure is not None and low <= sure < high]
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
            f"How often a choice was right, by how sure it was (mean distance {report.error:.3f}):",
            "",
            *table(("confidence", "problems", "mean", "right"), sure),
            "",
            f"{report.designs} different designs simulated, {report.per_second:.0f} a second.",
            "",
        ]
    )
