"""What choosing by consensus is worth on a benchmark: one answer of each problem is chosen without its testbench.

Reads a finished run's folder; writes a stage folder with selections.jsonl, selection.json, and chosen.jsonl, answers as
`eval run --samples` takes them. Which answer is chosen depends on specifications and answers alone; the run's verdicts
are looked at afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from autovcoder.errors import InputError
from autovcoder.files import read_records, write_atomic, write_jsonl
from autovcoder.records import Problem, Sample
from autovcoder.store import Stage
from eval.answers import stated_by
from eval.results import SAMPLES, VERDICTS, read_report, samples_in, verdicts_in
from eval.selection_report import Chosen, SelectionReport, Verdicts, make_report
from eval.suites import PROBLEMS
from hdl_sim.consensus import select
from hdl_sim.repair import repair
from hdl_sim.simulator import in_parallel, simulate_many
from hdl_sim.slang import read_source
from hdl_sim.statement import compare
from hdl_sim.traces import PrintingSimulator

SELECTIONS, CHOSEN, RESULT = "selections.jsonl", "chosen.jsonl", "selection.json"

Progress = Callable[[str, int, int], None]
"""Told the problem, how many are done, and how many there are."""


def select_run(
    run: Path,
    simulator: PrintingSimulator,
    out: Path,
    *,
    mend: bool = False,
    progress: Progress = lambda problem, done, total: None,
) -> SelectionReport:
    """Choose an answer to each problem of a finished run, and compare with what its verdicts say.

    Args:
        mend: mend by rule what does not compile or lacks the interface, before choosing. What came of it is simulated
            on the problem's testbench when all is chosen.

    Raises:
        StoreError: ``run`` is not finished or damaged, or ``out`` belongs to something else.
        ToolMissing, ToolFailed: the simulator is not there, or broke; what was chosen is kept.
    """
    report = read_report(run)
    answers: dict[str, list[Sample]] = {}
    for sample in sorted(samples_in(run), key=lambda sample: sample.index):
        answers.setdefault(sample.problem_id, []).append(sample)
    if not answers:
        raise InputError("the run has no answers", where=run / SAMPLES)
    problems = list(read_records(run / PROBLEMS, Problem))
    asked = [problem for problem in problems if problem.id in answers]
    inputs = {name: run / name for name in (PROBLEMS, SAMPLES, VERDICTS)}
    with Stage(out, "eval.select", inputs=inputs, config={"simulator": simulator.name, "mend": mend}) as stage:
        if not stage.done:
            stage.start()
            done = {row["problem_id"]: Chosen.model_validate(row) for row in stage.rows(SELECTIONS)}
            for count, problem in enumerate(asked):
                if problem.id not in done:
                    progress(problem.id, count, len(asked))
                    done[problem.id] = choose(problem, answers[problem.id], simulator, mend=mend)
                    stage.append(SELECTIONS, done[problem.id])
            found = verdicts_in(run)
            written = {
                name: [found.get((name, sample.index)) for sample in samples] for name, samples in answers.items()
            }
            mendable = [problem for problem in asked if problem.id not in report.cannot_pass]
            result = make_report(
                [done[problem.id] for problem in asked],
                written,
                _after_mending(mendable, written, done, simulator),
                run=str(run),
                source=str(report.source.get("model", "")),
                problems=len(problems),
            )
            write_atomic(out / RESULT, result.model_dump_json(indent=2) + "\n")
            write_jsonl(out / CHOSEN, (_row(done[problem.id], answers[problem.id]) for problem in asked))
            stage.finish(consensus=result.consensus.value, mean=result.mean.value)
        return SelectionReport.model_validate_json((out / RESULT).read_text(encoding="utf-8"))


def choose(problem: Problem, samples: Sequence[Sample], simulator: PrintingSimulator, *, mend: bool = False) -> Chosen:
    """Choose among the answers to one problem; the outcome's indices are places in the order of the answers' own."""
    started = time.perf_counter()
    stated = stated_by(problem)
    codes = [sample.code for sample in sorted(samples, key=lambda sample: sample.index)]
    different = list(dict.fromkeys(code for code in codes if code))
    mended: dict[int, str] = {}
    if mend:
        repairs = in_parallel(lambda code: repair(code, stated, simulator), different)
        found = {code: done.code for code, done in zip(different, repairs, strict=True) if done}
        mended = {index: found[code] for index, code in enumerate(codes) if code in found}
        codes = [mended.get(index, code) for index, code in enumerate(codes)]
        different = list(dict.fromkeys(code for code in codes if code))
    # What does not compile is not read here: the simulator may have a process of its own for what crashes a front end.
    compiled = dict(zip(different, in_parallel(simulator.compile_only, different), strict=True))
    fits = [
        code if code and compiled[code].passed and compare(stated, read_source(code)).agrees else None for code in codes
    ]
    selection = select(fits, problem.spec, stated, simulator)
    driven = [index for group in selection.groups for index in group.members]
    return Chosen(
        problem_id=problem.id,
        selection=selection,
        first=min(driven, default=None),
        mended=mended,
        seconds=time.perf_counter() - started,
    )


def _row(chosen: Chosen, samples: Sequence[Sample]) -> dict[str, object]:
    """The chosen answer, as a recording has it; where nothing could be simulated the first, so that it counts."""
    place = chosen.selection.best or 0
    text = chosen.mended.get(place, samples[place].raw)
    sure = chosen.selection.confidence
    return {"task_id": chosen.problem_id, "index": 0, "completion": text, "confidence": sure}


def _after_mending(
    problems: Sequence[Problem], written: Verdicts, done: dict[str, Chosen], simulator: PrintingSimulator
) -> Verdicts:
    """The verdicts, with those on mended answers in place of what they were before."""
    after = {name: list(found) for name, found in written.items()}
    places = [(problem, index) for problem in problems for index in done[problem.id].mended]
    jobs = ((done[problem.id].mended[index], problem.bench) for problem, index in places)
    for (problem, index), verdict in zip(places, simulate_many(simulator, jobs), strict=True):
        after[problem.id][index] = verdict
    return after
