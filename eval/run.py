"""Answers to verdicts, in a folder that survives a kill: nothing that was scored is scored again.

Reads problems and samples; writes a stage folder with samples.jsonl, references.jsonl, verdicts.jsonl, waves.jsonl,
problems.jsonl, report.json, report.md and report.html, and where it is interrupted report.partial.json and
report.partial.md.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError, ToolFailed
from autovcoder.files import write_atomic
from autovcoder.prompt import chat
from autovcoder.records import PassRule, Problem, Rule, Sample, Verdict, content_id
from autovcoder.store import DROPPED, Stage
from eval.answers import prompt_of, stated_by
from eval.references import (
    LEAST_S,
    TIMES,
    Checks,
    LimitedByReference,
    NeverRefusing,
    bench_for_answers,
    cannot_pass,
    check_in_stage,
    checks_in,
    faults,
    limits_for_answers,
)
from eval.report import Key, Report, make_report, to_markdown
from eval.results import (
    REPORT_HTML,
    REPORT_JSON,
    REPORT_MD,
    SAMPLES,
    VERDICTS,
    read_report,
    samples_in,
    verdict_from_row,
    write_page,
)
from eval.suites import suite_hash, write_problems
from eval.waves import draw_waves
from hdl_sim.limits import Limits
from hdl_sim.simulator import Simulator, simulate_many

PARTIAL_JSON = "report.partial.json"
PARTIAL_MD = "report.partial.md"

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
    rule: Rule = "ours",
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
        rule: ``official`` decides as VerilogEval v1's own evaluator does (`PassRule`, ``quiet_mismatch_count``).
        progress: told after every verdict.

    Raises:
        StoreError: ``out`` belongs to another run, or cannot be written.
        InputError: an answer to a problem that is not asked, nothing that can be scored, or a bench that the official
            rule does not know.
        ToolMissing, ToolFailed: a verdict could not be had; what was scored is kept, and the same call resumes.
        KeyboardInterrupt: as it came; what was scored is kept, in a partial report too, and the same call resumes.
    """
    _load_libraries()
    ruled = _under_rule(problems, rule)
    config = {
        "suite": problems[0].suite,
        "suite_hash": suite_hash(problems),
        "prompts": content_id([[chat(prompt_of(problem)), stated_by(problem).start] for problem in problems]),
        "simulator": simulator.name,
        "rule": rule,
        "limits": {**asdict(LIMITS), "least_s": LEAST_S, "times_of_reference": TIMES},
        "source": dict(source),
    }
    with Stage(out, "eval.run", config=config) as stage:
        report_of = partial(make_report, problems, source=source, simulator=simulator.name, rule=rule)
        try:
            if stage.done:
                report = read_report(out)
            else:
                report = _run(problems, ruled, samples, simulator, stage, report_of, progress)
        except KeyboardInterrupt:
            if not stage.done:
                _write_partial(problems, stage, report_of)
            raise
    if not (out / REPORT_HTML).exists():
        write_page(out)
    return report


def _load_libraries() -> None:
    """Import what the work needs on its way, with an interrupt held back until that is done.

    One that came in the middle of such an import would leave half of a library, and then the partial report, which
    needs it, could not be written.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # interrupts come to the main thread alone
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        for name in ("numpy", "pyslang", "jinja2"):
            import_module(name)
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _under_rule(problems: Sequence[Problem], rule: Rule) -> Sequence[Problem]:
    """The problems with the pass rule that is to decide."""
    if rule == "ours":
        return problems
    for problem in problems:
        if problem.bench.pass_rule.kind != "mismatch_count":
            raise InputError(
                "the official rule is VerilogEval's, for testbenches that count mismatches",
                where=f"{problem.suite}, {problem.id} ({problem.bench.pass_rule.kind})",
                fix="leave the rule out",
            )
    quiet = PassRule(kind="quiet_mismatch_count")
    return [
        problem.model_copy(update={"bench": problem.bench.model_copy(update={"pass_rule": quiet})})
        for problem in problems
    ]


def _run(
    asked: Sequence[Problem],
    problems: Sequence[Problem],
    samples: Iterable[Sample],
    simulator: Simulator,
    stage: Stage,
    report_of: Callable[..., Report],
    progress: Progress,
) -> Report:
    """Score; ``problems`` are those that were ``asked``, under the rule that decides."""
    kept = _keep(problems, samples, stage)
    told = partial(progress, "checking the references")
    checks = check_in_stage(problems, simulator, stage, limits=LIMITS, progress=told)
    undecidable = faults(checks)
    scored = [sample for sample in kept if sample.problem_id not in undecidable]
    verdicts = _decide(problems, scored, checks, simulator, stage, progress)
    if not verdicts:
        why = "; ".join(sorted({*undecidable.values()}))
        raise InputError("no answer could be scored", where=stage.folder, fix=why)
    reasons = cannot_pass(problems, checks)
    report = report_of(verdicts, cannot_pass=reasons)
    draw_waves(problems, scored, verdicts, simulator, stage, limits=LIMITS, progress=progress)
    write_problems(asked, stage.folder)
    _write_report(report, stage.folder / REPORT_JSON, stage.folder / REPORT_MD)
    for name in (PARTIAL_JSON, PARTIAL_MD):
        (stage.folder / name).unlink(missing_ok=True)
    _drop({**reasons, **dict.fromkeys(report.unanswered, "no answer was given")}, stage)
    scores = {"raw": report.raw, "passable": report.passable}
    rates = {name: some.overall.function.get(1) for name, some in scores.items()}
    stage.finish(pass_at_1={name: rate.value for name, rate in rates.items() if rate is not None})
    return report


def _write_report(report: Report, as_json: Path, as_markdown: Path) -> None:
    write_atomic(as_json, report.model_dump_json(indent=2) + "\n")
    write_atomic(as_markdown, to_markdown(report))


def _write_partial(problems: Sequence[Problem], stage: Stage, report_of: Callable[..., Report]) -> None:
    """What is known of an interrupted run, from what its folder holds; nothing where it holds nothing yet."""
    samples = samples_in(stage.folder)
    if not samples:
        return
    verdicts = dict(verdict_from_row(row) for row in stage.rows(VERDICTS))
    checks = checks_in(stage)
    undecidable = faults(checks)
    waiting = sum(s.problem_id not in undecidable and (s.problem_id, s.index) not in verdicts for s in samples)
    report = report_of(verdicts, cannot_pass=cannot_pass(problems, checks), waiting=waiting)
    _write_report(report, stage.folder / PARTIAL_JSON, stage.folder / PARTIAL_MD)


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


def _decide(
    problems: Sequence[Problem],
    samples: Sequence[Sample],
    checks: Checks,
    simulator: Simulator,
    stage: Stage,
    progress: Progress,
) -> dict[Key, Verdict]:
    """A verdict for every sample, those on disk included."""
    benches = {problem.id: bench_for_answers(problem, checks) for problem in problems}
    # VerilogEval's own rule has a time of its own.
    limits = {
        id(benches[name]): limits_for_answers(check, LIMITS)
        for name, check in checks.items()
        if benches[name].pass_rule.kind != "quiet_mismatch_count"
    }
    verdicts = dict(verdict_from_row(row) for row in stage.rows(VERDICTS))
    todo = [sample for sample in samples if (sample.problem_id, sample.index) not in verdicts]
    # Answers to problems without a reference are not mixed in: there a fault of the bench must end the run.
    for proven in (True, False):
        some = [sample for sample in todo if (sample.problem_id in checks) is proven]
        judge = LimitedByReference(NeverRefusing(simulator), limits) if proven else simulator
        jobs = ((sample.code, benches[sample.problem_id]) for sample in some)
        with closing(simulate_many(judge, jobs, limits=LIMITS)) as decided:
            for sample in some:
                verdict = _next(decided, sample)
                row = {"problem_id": sample.problem_id, "index": sample.index, **verdict.model_dump(mode="json")}
                stage.append(VERDICTS, row)
                verdicts[sample.problem_id, sample.index] = verdict
                progress("simulating", len(verdicts), len(samples))
    return verdicts


def _next(decided: Iterator[Verdict], sample: Sample) -> Verdict:
    try:
        return next(decided)
    except (ToolFailed, InputError) as error:
        where = f"{sample.problem_id}, answer {sample.index}" + (f": {error.where}" if error.where else "")
        raise type(error)(error.what, where=where, fix=error.fix) from None
