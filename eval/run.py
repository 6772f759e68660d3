"""Answers to verdicts, in a folder that survives a kill: nothing that was scored is scored again.

Reads problems and samples; writes a stage folder with samples.jsonl, references.jsonl, verdicts.jsonl, report.json and
report.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autovcoder.errors import InputError, StoreError, ToolFailed
from autovcoder.prompt import chat
from autovcoder.records import Problem, Sample, Verdict, content_id
from autovcoder.store import DROPPED, STARTED, Stage, read_records, write_atomic
from eval.answers import prompt_of
from eval.report import Key, Report, make_report, to_markdown
from eval.suites import suite_hash
from hdl_sim.limits import Limits
from hdl_sim.simulator import Simulator, available_cores, simulate_many

SAMPLES = "samples.jsonl"
VERDICTS = "verdicts.jsonl"
REFERENCES = "references.jsonl"
REPORT_JSON = "report.json"
REPORT_MD = "report.md"

# CPU time decides: unlike wall time it is the same on a busy machine and an idle one, and a verdict must not depend on
# what else runs. The wall time is only there for a program that waits for something that never comes.
LIMITS = Limits(cpu_s=30, wall_s=900.0)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing."""


def score(
    problems: Sequence[Problem],
    samples: Iterable[Sample],
    simulator: Simulator,
    out: Path,
    *,
    source: Mapping[str, Any],
    progress: Progress = no_progress,
) -> Report:
    """Decide every answer by simulation and write the report; a finished folder's report is read back.

    Args:
        problems: the suite, or a part of it.
        samples: answers; those that ``out`` holds already are passed over. May be lazy: nothing is drawn before the
            folder is open and known to belong to this run, so that a generator can ask ``samples_in(out)`` what it
            may leave out.
        simulator: decides; its name goes into the report.
        out: the run's folder.
        source: where the answers come from, such as the model and how it is sampled; JSON-like. With the suite, the
            prompts and the simulator it decides whether ``out`` is the same run, so a model's weights or a
            recording's hash belong in it.
        progress: told after every verdict.

    Raises:
        StoreError: ``out`` belongs to another run, or cannot be written.
        InputError: an answer to a problem that is not asked, or nothing that can be scored.
        ToolMissing, ToolFailed: a verdict could not be had; what was scored is kept, and the same call resumes.
    """
    config = {
        "suite": problems[0].suite,
        "suite_hash": suite_hash(problems),
        "prompts": content_id([chat(prompt_of(problem)) for problem in problems]),
        "simulator": simulator.name,
        "limits": asdict(LIMITS),
        "source": dict(source),
    }
    existed = out.exists()
    try:
        with Stage(out, "eval.run", config=config) as stage:
            if stage.done:
                return read_report(out)
            return _run(problems, samples, simulator, stage, source, progress)
    except BaseException:
        _forget_unstarted(out, existed)
        raise


def samples_in(out: Path) -> list[Sample]:
    """The answers that a run's folder holds already."""
    path = out / SAMPLES
    return list(read_records(path, Sample)) if path.exists() else []


def read_report(out: Path) -> Report:
    """The report of a finished run.

    Raises:
        StoreError: it is missing or damaged.
    """
    try:
        return Report.model_validate_json((out / REPORT_JSON).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        raise StoreError(
            "the report cannot be read", where=out / REPORT_JSON, fix="delete the folder, run again"
        ) from None


def _run(
    problems: Sequence[Problem],
    samples: Iterable[Sample],
    simulator: Simulator,
    stage: Stage,
    source: Mapping[str, Any],
    progress: Progress,
) -> Report:
    kept = _keep(problems, samples, stage)
    answered = {sample.problem_id for sample in kept}
    not_scored = _check_references([p for p in problems if p.id in answered], simulator, stage, progress)
    verdicts = _decide(problems, [s for s in kept if s.problem_id not in not_scored], simulator, stage, progress)
    if not verdicts:
        raise InputError("no answer could be scored", where=stage.folder, fix="; ".join(sorted({*not_scored.values()})))
    unanswered = [problem.id for problem in problems if problem.id not in answered]
    report = make_report(
        problems, verdicts, source=source, simulator=simulator.name, not_scored=not_scored, unanswered=unanswered
    )
    write_atomic(stage.folder / REPORT_JSON, report.model_dump_json(indent=2) + "\n")
    write_atomic(stage.folder / REPORT_MD, to_markdown(report))
    _drop({**not_scored, **dict.fromkeys(unanswered, "no answer was given")}, stage)
    stage.finish(pass_at_k={str(k): rate.value for k, rate in report.pass_at_k.items()})
    return report


def _forget_unstarted(out: Path, existed: bool) -> None:
    """Remove a folder in which nothing happened yet, so that a mistyped model leaves no trace."""
    if out.is_dir() and {path.name for path in out.iterdir()} == {STARTED}:
        (out / STARTED).unlink()
        if not existed:
            out.rmdir()


def _keep(problems: Sequence[Problem], samples: Iterable[Sample], stage: Stage) -> list[Sample]:
    """All answers of the run: those on disk, and the new ones, written down as they come."""
    asked = {problem.id for problem in problems}
    kept = {(sample.problem_id, sample.index): sample for sample in samples_in(stage.folder)}
    for sample in samples:
        if sample.problem_id not in asked:
            raise InputError("an answer to a problem that is not asked", where=sample.problem_id)
        key = (sample.problem_id, sample.index)
        if key not in kept:
            stage.append(SAMPLES, sample)
            kept[key] = sample
    return list(kept.values())


def _drop(reasons: Mapping[str, str], stage: Stage) -> None:
    # A run that was killed after it wrote these comes here again.
    dropped = {row["id"] for row in stage.rows(DROPPED)}
    for name, reason in reasons.items():
        if name not in dropped:
            stage.drop(name, reason)


def _check_references(
    problems: Sequence[Problem], simulator: Simulator, stage: Stage, progress: Progress
) -> dict[str, str]:
    """The problems whose own reference does not pass here, with the reason: they say nothing about an answer.

    A bench may use what this simulator lacks; its answers would all fail, and not by the model's fault.
    """
    faults: dict[str, str | None] = {row["problem_id"]: row["fault"] for row in stage.rows(REFERENCES)}
    todo = [p for p in problems if p.reference is not None and p.id not in faults]
    done = 0
    with ThreadPoolExecutor(available_cores()) as pool:
        for problem, fault in zip(todo, pool.map(lambda p: _reference_fault(p, simulator), todo), strict=True):
            stage.append(REFERENCES, {"problem_id": problem.id, "fault": fault})
            faults[problem.id] = fault
            done += 1
            progress("checking the references", done, len(todo))
    return {name: fault for name, fault in faults.items() if fault is not None}


def _reference_fault(problem: Problem, simulator: Simulator) -> str | None:
    try:
        verdict = simulator.run(problem.reference, problem.bench, LIMITS)
    except InputError as error:
        return str(error)
    if verdict.passed:
        return None
    message = next((d.message for d in verdict.diagnostics if d.severity == "error"), "")
    return f"its own reference fails: {verdict.status}" + (f" ({message})" if message else "")


def _decide(
    problems: Sequence[Problem], samples: Sequence[Sample], simulator: Simulator, stage: Stage, progress: Progress
) -> dict[Key, Verdict]:
    """A verdict for every sample, those on disk included, in the order of the samples."""
    bench = {problem.id: problem.bench for problem in problems}
    verdicts = dict(_from_row(row) for row in stage.rows(VERDICTS))
    todo = [sample for sample in samples if (sample.problem_id, sample.index) not in verdicts]
    jobs = ((sample.code, bench[sample.problem_id]) for sample in todo)
    decided = simulate_many(simulator, jobs, limits=LIMITS)
    for done, sample in enumerate(todo, start=1):
        try:
            verdict = next(decided)
        except (ToolFailed, InputError) as error:
            where = f"{sample.problem_id}, answer {sample.index}" + (f": {error.where}" if error.where else "")
            raise type(error)(error.what, where=where, fix=error.fix) from None
        row = {"problem_id": sample.problem_id, "index": sample.index, **verdict.model_dump(mode="json")}
        stage.append(VERDICTS, row)
        verdicts[sample.problem_id, sample.index] = verdict
        progress("simulating", done, len(todo))
    return verdicts


def _from_row(row: dict[str, Any]) -> tuple[Key, Verdict]:
    fields = dict(row)
    key = (fields.pop("problem_id"), fields.pop("index"))
    return key, Verdict.model_validate(fields)
