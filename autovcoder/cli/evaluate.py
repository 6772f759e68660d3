"""`autovcoder eval`: scores a model, or answers recorded earlier, on a benchmark.

Reads the benchmark's files and a model or a file of answers; writes a run's folder and prints the table of pass rates.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autovcoder.cli import suites, teeth
from autovcoder.cli.compare import compare
from autovcoder.cli.report_errors import emit, say
from autovcoder.cli.report_page import report_page
from autovcoder.cli.sampling import sampling_from
from autovcoder.cli.select import select
from autovcoder.cli.stage_options import simulator_from, weights_hash
from autovcoder.errors import ContextTooLong
from autovcoder.models.asking import complete_each
from autovcoder.records import Rule

if TYPE_CHECKING:
    from autovcoder.cli.retrieval import Retrieval
    from autovcoder.models import TextModel
    from autovcoder.records import Context, Problem, Sample, Sampling
    from eval.report import Report
    from eval.run import Progress
    from hdl_sim.simulator import Simulator

# Problems put to the model at once; a kill in the middle of them loses their answers, so not many.
BATCH = 16

app = typer.Typer(help="Score a model, or recorded answers, on a benchmark in a real simulator.", no_args_is_help=True)


app.command("compare")(compare)
app.command("select")(select)
suites.register(app)
teeth.register(app)


app.command("report")(report_page)


@app.command("run")
def run(
    suite: Annotated[str, typer.Option(help="A suite that `autovcoder eval suites` lists.")],
    data: Annotated[Path | None, typer.Option(help="Folder with the suite's files.")] = None,
    model: Annotated[
        str | None, typer.Option(help="'nano', a Hugging Face id or a folder; with --endpoint the name there.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible server.")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Recorded answers instead of a model: JSONL with task_id, completion, index.")
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="Answers to each problem. [default: 1; all recorded]")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 is greedy. [default: 0 when -n is 1, else 0.8]")
    ] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus. [default: 1 when -n is 1, else 0.95]")] = None,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 1024,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first problems.")] = None,
    rule: Annotated[
        Rule, typer.Option(help="What passes: each problem's own rule, or that of VerilogEval v1's evaluator.")
    ] = "ours",
    rag: Annotated[bool, typer.Option("--rag/--no-rag", help="Put what retrieval finds before each problem.")] = False,
    library: Annotated[Path | None, typer.Option(help="The library for --rag. [default: as `rag search`]")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder. [default: runs/eval/SUITE-MODEL-HASH]")] = None,
    cache: Annotated[bool, typer.Option(help="Take verdicts that are known from earlier runs.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Ask for Verilog, simulate every answer, and print pass rates with their intervals.

    An interrupted run goes on where it stopped when the same command is given again; a finished one is not redone.
    """
    if (model is None) == (samples is None):
        raise typer.BadParameter("give either --model or --samples")
    if endpoint is not None and samples is not None:
        raise typer.BadParameter("--endpoint goes with --model")

    from eval.report import to_markdown
    from eval.suites import load_suite

    problems = load_suite(suite, data)
    asked = problems[:limit]
    if samples is not None:
        source = _recording(samples, n)
        folder = out or _default_folder(suite, source, asked, rule)
        report = _evaluate_recording(samples, n, problems, asked, folder, simulator_from(cache), rule)
    else:
        sampling = sampling_from(n or 1, temperature, top_p, seed, max_new_tokens)
        retrieval = _retrieval(library, asked, rag)
        source = _model_source(str(model), endpoint, sampling, retrieval)
        folder = out or _default_folder(suite, source, asked, rule)
        report = evaluate_model(
            asked, str(model), endpoint, sampling, folder, simulator_from(cache), rule=rule, retrieval=retrieval
        )
    emit(report.model_dump_json(indent=2) + "\n" if as_json else to_markdown(report))
    say(f"the run is in {folder}")


def evaluate_model(
    problems: Sequence[Problem],
    model: str,
    endpoint: str | None,
    sampling: Sampling,
    out: Path,
    simulator: Simulator,
    *,
    rule: Rule = "ours",
    retrieval: Retrieval | None = None,
    load: Callable[[], TextModel] | None = None,
) -> Report:
    """Ask a model, simulate its answers, and write the run's folder; resumes one that was interrupted.

    Args:
        model: ``nano``, a Hugging Face id or a folder; the name at ``endpoint`` when that is given.
        retrieval: finds what is put before each problem.
        load: gives that model, called when the first answer is wanted; for runs that share one.

    Raises:
        ModelError: the model cannot be used. StoreError: ``out`` belongs to another run. And `eval.run.score`'s.
    """
    from autovcoder.models import open_model
    from eval.run import score

    with _progress() as progress:
        load = load or partial(open_model, model, endpoint)
        answers = _fresh(model, load, problems, sampling, out, progress, retrieval)
        source = _model_source(model, endpoint, sampling, retrieval)
        return score(problems, answers, simulator, out, source=source, rule=rule, progress=progress)


def _retrieval(library: Path | None, asked: Sequence[Problem], wanted: bool) -> Retrieval | None:
    if library is not None and not wanted:
        raise typer.BadParameter("--library goes with --rag")
    if not wanted:
        return None
    from autovcoder.cli.retrieval import from_library

    return from_library(library, suite=asked)


def _evaluate_recording(
    path: Path,
    n: int | None,
    problems: Sequence[Problem],
    asked: Sequence[Problem],
    out: Path,
    simulator: Simulator,
    rule: Rule,
) -> Report:
    from eval.run import score

    with _progress() as progress:
        answers = _recorded(path, problems, asked, n)
        return score(asked, answers, simulator, out, source=_recording(path, n), rule=rule, progress=progress)


def _model_source(model: str, endpoint: str | None, sampling: Sampling, retrieval: Retrieval | None) -> dict[str, Any]:
    """What identifies a model's answers. The weights of a local model count, its folder's name does not say them."""
    source: dict[str, Any] = {"model": model, **sampling.model_dump()}
    if retrieval is not None:
        source["context"] = retrieval.described
    if endpoint is not None:
        return {**source, "endpoint": endpoint}
    weights = weights_hash(model, None)
    return source if weights is None else {**source, "weights": weights}


def _recording(path: Path, n: int | None) -> dict[str, Any]:
    from autovcoder.files import sha256_file

    source: dict[str, Any] = {"model": f"recorded:{path.name}", "sha256": sha256_file(path)}
    return source if n is None else {**source, "n": n}


def _default_folder(suite: str, source: dict[str, Any], asked: Sequence[Problem], rule: Rule) -> Path:
    from autovcoder.records import content_id
    from eval.suites import suite_hash

    model = re.sub(r"[^A-Za-z0-9]+", "-", str(source["model"]).removesuffix(".gz").removesuffix(".jsonl")).strip("-")
    return Path("runs", "eval", f"{suite}-{model[-60:]}-{content_id(source, suite_hash(asked), rule)[:8]}")


def _recorded(path: Path, problems: Sequence[Problem], asked: Sequence[Problem], n: int | None) -> Iterator[Sample]:
    from eval.answers import read_answers

    yield from read_answers(path, asked, known={problem.id for problem in problems}, n=n)


def _fresh(
    model: str,
    load: Callable[[], TextModel],
    asked: Sequence[Problem],
    sampling: Sampling,
    folder: Path,
    progress: Progress,
    retrieval: Retrieval | None,
) -> Iterator[Sample]:
    """Answers that the folder lacks, drawn a few problems at a time; the model is loaded when the first is wanted."""
    from eval.answers import to_sample
    from eval.results import samples_in

    have = Counter(sample.problem_id for sample in samples_in(folder))
    todo = [problem for problem in asked if have[problem.id] < sampling.n]
    if not todo:
        return
    opened = load()
    for start in range(0, len(todo), BATCH):
        progress("asking the model", start, len(todo))
        batch = todo[start : start + BATCH]
        contexts = retrieval.find(batch, opened, sampling) if retrieval else [None] * len(batch)
        answers = _complete(opened, batch, contexts, sampling)
        for problem, context, raws in zip(batch, contexts, answers, strict=True):
            for index, raw in enumerate(raws):
                yield to_sample(problem, index, raw, model=model, sampling=sampling, context=context)
    progress("asking the model", len(todo), len(todo))


def _complete(
    model: TextModel, problems: Sequence[Problem], contexts: Sequence[Context | None], sampling: Sampling
) -> list[list[str]]:
    """The model's answers; a prompt longer than its context has empty ones, which score as no code."""
    from eval.answers import prompt_of, stated_by
    from hdl_sim.extract import answer_complete

    # A model may write helpers first: an answer is complete when the module that was asked for is closed.
    stated = [stated_by(problem) for problem in problems]

    def stop(number: int, text: str) -> bool:
        return answer_complete(text, stated[number].name)

    prompts = [prompt_of(*one) for one in zip(problems, contexts, strict=True)]
    answers = []
    for found in complete_each(model, prompts, sampling, starts=[one.start for one in stated], stop=stop):
        # A problem that a model cannot even read is one that it does not solve, not a reason to end the run.
        if isinstance(found, ContextTooLong):
            say(f"counted as no answer: {found}")
            found = [""] * sampling.n
        answers.append(found)
    return answers


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr where that is a terminal; otherwise nothing."""
    if not sys.stderr.isatty():
        from eval.run import no_progress

        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield show
