"""Answers to verdicts, in a folder that survives a kill: nothing that was scored is scored again.

Reads problems and samples; writes a stage folder with samples.jsonl, references.jsonl, verdicts.jsonl, waves.jsonl,
problems.jsonl, report.json and report.md, and, when that is finished, report.html beside it.
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
from autovcoder.records import Bench, Problem, Sample, Verdict, content_id
from autovcoder.store import DROPPED, Stage, read_jsonl, read_manifest, read_records, write_atomic
from eval.answers import prompt_of
from eval.page import to_html, waves_from_rows
from eval.report import Key, Report, make_report, to_markdown
from eval.suites import PROBLEMS, suite_hash, write_problems
from eval.waves import WAVES, draw_waves
from hdl_sim.limits import Limits
from hdl_sim.simulator import Simulator, available_cores, simulate_many

SAMPLES = "samples.jsonl"
VERDICTS = "verdicts.jsonl"
REFERENCES = "references.jsonl"
REPORT_JSON = "report.json"
REPORT_MD = "report.md"
REPORT_HTML = "report.html"

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
    with Stage(out, "eval.run", config=config) as stage:
        report = read_report(out) if stage.done else _run(problems, samples, simulator, stage, source, progress)
    if not (out / REPORT_HTML).exists():
        write_page(out)
    return report


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


def write_page(folder: Path) -> Path:
    """Write a finished run as one HTML file into its folder, and return its path.

    The page is a view of the other files: the manifest does not list it, and it can be made anew.

    Raises:
        StoreError: the run is not finished, or one of its files is missing or damaged.
    """
    version = read_manifest(folder).versions.get("autovcoder", "")
    try:
        problems = list(read_records(folder / PROBLEMS, Problem))
        verdicts = verdicts_in(folder)
        waves = waves_from_rows(read_jsonl(folder / WAVES)) if (folder / WAVES).exists() else {}
        page = to_html(read_report(folder), problems, samples_in(folder), verdicts, waves, version=version)
    except (InputError, ValidationError, KeyError) as error:
        raise StoreError("the run's files cannot be read", where=folder, fix=str(error)) from None
    write_atomic(folder / REPORT_HTML, page)
    return folder / REPORT_HTML


def verdicts_in(out: Path) -> dict[Key, Verdict]:
    """The verdicts that a run's folder holds."""
    path = out / VERDICTS
    return dict(_from_row(row) for row in read_jsonl(path)) if path.exists() else {}


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
    asked = {problem.id: problem for problem in problems if problem.id in answered}
    references = _check_references(list(asked.values()), simulator, stage, progress)
    not_scored = {name: row["fault"] for name, row in references.items() if row["fault"] is not None}
    scored = [sample for sample in kept if sample.problem_id not in not_scored]
    verdicts = _decide(asked, scored, references, simulator, stage, progress)
    if not verdicts:
        raise InputError("no answer could be scored", where=stage.folder, fix="; ".join(sorted({*not_scored.values()})))
    unanswered = [problem.id for problem in problems if problem.id not in answered]
    report = make_report(
        problems, verdicts, source=source, simulator=simulator.name, not_scored=not_scored, unanswered=unanswered
    )
    draw_waves(asked, scored, verdicts, simulator, stage, limits=LIMITS, progress=progress)
    write_problems(problems, stage.folder)
    write_atomic(stage.folder / REPORT_JSON, report.model_dump_json(indent=2) + "\n")
    write_atomic(stage.folder / REPORT_MD, to_markdown(report))
    _drop({**not_scored, **dict.fromkeys(unanswered, "no answer was given")}, stage)
    stage.finish(pass_at_k={str(k): rate.value for k, rate in report.pass_at_k.items()})
    return report


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
) -> dict[str, dict[str, Any]]:
    """What each problem's own reference does here: ``fault`` (None when it passes) and its number of ``samples``.

    A bench may use what this simulator lacks; its answers would all fail, and not by the model's fault.
    """
    references = {row["problem_id"]: row for row in stage.rows(REFERENCES)}
    todo = [p for p in problems if p.reference is not None and p.id not in references]
    with ThreadPoolExecutor(available_cores()) as pool:
        found = pool.map(lambda problem: _check_reference(problem, simulator), todo)
        for done, (problem, row) in enumerate(zip(todo, found, strict=True), start=1):
            references[problem.id] = {"problem_id": problem.id, **row}
            stage.append(REFERENCES, references[problem.id])
            progress("checking the references", done, len(todo))
    return references


def _check_reference(problem: Problem, simulator: Simulator) -> dict[str, Any]:
    try:
        verdict = simulator.run(problem.reference, problem.bench, LIMITS)
    except InputError as error:
        return {"fault": str(error), "samples": None}
    if verdict.passed:
        return {"fault": None, "samples": verdict.samples}
    message = next((d.message for d in verdict.diagnostics if d.severity == "error"), "")
    fault = f"its own reference fails: {verdict.status}" + (f" ({message})" if message else "")
    return {"fault": fault, "samples": verdict.samples}


def _bench(problem: Problem, reference: Mapping[str, Any]) -> Bench:
    """The problem's bench; an answer must be tested on as many samples as the reference was, not on fewer."""
    rule = problem.bench.pass_rule
    if rule.kind != "mismatch_count" or rule.expected_samples is not None or not reference.get("samples"):
        return problem.bench
    rule = rule.model_copy(update={"expected_samples": reference["samples"]})
    return problem.bench.model_copy(update={"pass_rule": rule})


class _WithProvenBenches:
    """A simulator for benches on which a reference passed: what such a bench cannot digest is the answer's doing."""

    def __init__(self, inner: Simulator) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = LIMITS) -> Verdict:
        try:
            return self._inner.run(design, bench, limits)
        except InputError as error:
            return Verdict(status="no_result", stage="simulate", log_tail=str(error), simulator=self.name)

    def compile_only(self, design: str | None, limits: Limits = LIMITS) -> Verdict:
        return self._inner.compile_only(design, limits)


def _decide(
    problems: Mapping[str, Problem],
    samples: Sequence[Sample],
    references: Mapping[str, Mapping[str, Any]],
    simulator: Simulator,
    stage: Stage,
    progress: Progress,
) -> dict[Key, Verdict]:
    """A verdict for every sample, those on disk included, in the order of the samples."""
    benches = {name: _bench(problem, references.get(name, {})) for name, problem in problems.items()}
    verdicts = dict(_from_row(row) for row in stage.rows(VERDICTS))
    todo = [sample for sample in samples if (sample.problem_id, sample.index) not in verdicts]
    # Answers to problems without a reference are not mixed in: there a fault of the bench must end the run.
    for proven in (True, False):
        some = [sample for sample in todo if (sample.problem_id in references) is proven]
        judge = _WithProvenBenches(simulator) if proven else simulator
        decided = simulate_many(judge, ((s.code, benches[s.problem_id]) for s in some), limits=LIMITS)
        for sample in some:
            try:
                verdict = next(decided)
            except (ToolFailed, InputError) as error:
                where = f"{sample.problem_id}, answer {sample.index}" + (f": {error.where}" if error.where else "")
                raise type(error)(error.what, where=where, fix=error.fix) from None
            row = {"problem_id": sample.problem_id, "index": sample.index, **verdict.model_dump(mode="json")}
            stage.append(VERDICTS, row)
            verdicts[sample.problem_id, sample.index] = verdict
            progress("simulating", len(verdicts), len(samples))
    return verdicts


def _from_row(row: dict[str, Any]) -> tuple[Key, Verdict]:
    fields = dict(row)
    key = (fields.pop("problem_id"), fields.pop("index"))
    return key, Verdict.model_validate(fields)
