"""`autovcoder data corpus` and its stages: from collected repositories to a scored corpus of RTL.

Reads a collected folder, or a stage's; writes stage folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autovcoder.cli.stage_options import Against, Out
from autovcoder.cli.status_line import StatusLine

if TYPE_CHECKING:
    from autovcoder.store import Manifest
    from data_pipeline.corpus import CorpusSettings
    from data_pipeline.label import Labeller
    from data_pipeline.shards import Run

Config = Annotated[
    Path | None, typer.Option(help="YAML file with a section for each stage and one named executor; flags win.")
]
Modules = Annotated[Path, typer.Option("--modules", help="A stage folder of modules.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Tasks at once; by default one for each core here.")]
Executor = Annotated[str | None, typer.Option(help="Where tasks run: local, slurm or ray.")]
Tasks = Annotated[int | None, typer.Option(min=1, help="Shards that each stage writes.")]
AllowLicense = Annotated[
    list[str] | None,
    typer.Option(help="A licence (SPDX) to allow beyond the permissive ones; repeatable; 'any' allows all."),
]
Encoder = Annotated[
    str | None, typer.Option(help="A sentence-transformers encoder: the packaged one, a folder, or a cached id.")
]
Labels = Annotated[int | None, typer.Option(min=1, help="Modules graded to train the scorer on.")]
Grader = Annotated[str | None, typer.Option(help="A model that grades, behind --server; by default a rubric does.")]
Server = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, such as http://localhost:8000.")]
Scorer = Annotated[Path | None, typer.Option(help="The folder of a trained scorer, instead of training one.")]
KeepAbove = Annotated[float | None, typer.Option(min=0, max=10, help="The score that a module must exceed.")]
KeepFraction = Annotated[
    float | None, typer.Option(min=0, max=1, help="Keep this share instead, the best, whatever they score.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``autovcoder data``."""
    app.command("corpus")(corpus)
    app.command("extract")(extract)
    app.command("clean")(clean)
    app.command("decontaminate")(decontaminate)
    app.command("score")(score)
    app.command("select")(select)


def corpus(
    repos: Annotated[Path, typer.Option(help="A folder that `autovcoder data collect` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder for the stage folders; what is complete is not done again.")],
    against: Against = None,
    config: Config = None,
    allow_license: AllowLicense = None,
    encoder: Encoder = None,
    labels: Labels = None,
    grader: Grader = None,
    server: Server = None,
    scorer: Scorer = None,
    keep_above: KeepAbove = None,
    keep_fraction: KeepFraction = None,
    tasks: Tasks = None,
    workers: Workers = None,
    executor: Executor = None,
) -> None:
    """Make a scored corpus of RTL from collected repositories: extract, clean, decontaminate, score, select."""
    from data_pipeline.corpus import make_corpus

    settings = _settings(
        config,
        {
            "clean": {"allow_licenses": allow_license},
            "score": {"encoder": encoder, "labels": labels},
            "select": {"keep_above": keep_above, "keep_fraction": keep_fraction},
        },
        tasks,
        workers,
        executor,
    )
    with _run(settings) as run:
        grades = _labeller(grader, server)
        manifests = make_corpus(repos, out, against or [], settings, run, grades, scorer)
    for manifest in manifests:
        _say(manifest)


def extract(
    repos: Annotated[Path, typer.Option(help="A folder that `autovcoder data collect` wrote.")],
    out: Out,
    config: Config = None,
    tasks: Tasks = None,
    workers: Workers = None,
    executor: Executor = None,
) -> None:
    """Split the files of collected repositories into modules."""
    from data_pipeline.extract import extract as split

    settings = _settings(config, {}, tasks, workers, executor)
    _do(settings, lambda run: split(repos, out, settings.extract, run))


def clean(
    modules: Modules,
    out: Out,
    config: Config = None,
    allow_license: AllowLicense = None,
    tasks: Tasks = None,
    workers: Workers = None,
    executor: Executor = None,
) -> None:
    """Drop testbenches, netlists, other licences and what else is not for a corpus, and exact duplicates."""
    from data_pipeline.clean import clean as drop

    settings = _settings(config, {"clean": {"allow_licenses": allow_license}}, tasks, workers, executor)
    _do(settings, lambda run: drop(modules, out, settings.clean, run))


def decontaminate(
    modules: Modules,
    out: Out,
    against: Against = None,
    config: Config = None,
    tasks: Tasks = None,
    workers: Workers = None,
    executor: Executor = None,
) -> None:
    """Drop what copies the problems of benchmarks, and say what matched what."""
    from autovcoder.errors import InputError
    from data_pipeline.decontaminate import decontaminate as compare

    if not against:
        raise InputError("no suite to compare with", where="--against", fix="name a problems.jsonl")
    settings = _settings(config, {}, tasks, workers, executor)
    _do(settings, lambda run: compare(modules, out, against, settings.decontaminate, run))


def score(
    modules: Modules,
    out: Out,
    config: Config = None,
    encoder: Encoder = None,
    labels: Labels = None,
    grader: Grader = None,
    server: Server = None,
    scorer: Scorer = None,
    tasks: Tasks = None,
    workers: Workers = None,
    executor: Executor = None,
) -> None:
    """Train a code scorer on a graded sample, or take a trained one, and score every module."""
    from data_pipeline.score import score as grade

    settings = _settings(config, {"score": {"encoder": encoder, "labels": labels}}, tasks, workers, executor)
    _do(
        settings,
        lambda run: grade(modules, out, settings.score, run, _labeller(grader, server), scorer),
    )


def select(
    modules: Annotated[Path, typer.Option("--modules", help="A stage folder of scored modules.")],
    out: Out,
    before: Annotated[
        list[Path] | None, typer.Option(help="A stage folder before that one, for the card; repeatable, in order.")
    ] = None,
    config: Config = None,
    keep_above: KeepAbove = None,
    keep_fraction: KeepFraction = None,
    tasks: Tasks = None,
    workers: Workers = None,
    executor: Executor = None,
) -> None:
    """Keep the best of near duplicates, and of those what scores high enough; write the corpus and its card."""
    from data_pipeline.select import select as choose

    flags = {"select": {"keep_above": keep_above, "keep_fraction": keep_fraction}}
    settings = _settings(config, flags, tasks, workers, executor)
    _do(settings, lambda run: choose(modules, out, settings.select, run, before or []))


def _settings(
    config: Path | None, flags: dict[str, Any], tasks: int | None, workers: int | None, executor: str | None
) -> CorpusSettings:
    from autovcoder.config import load_settings
    from autovcoder.errors import InputError
    from data_pipeline.corpus import STAGES, CorpusSettings

    if {"keep_above", "keep_fraction"} <= _given(flags.get("select", {})).keys():
        raise InputError("both --keep-above and --keep-fraction", fix="give one of them")
    given = {section: _given(values) for section, values in flags.items()}
    for stage in STAGES:
        given[stage] = given.get(stage, {}) | _given({"tasks": tasks})
    given["executor"] = _given({"workers": workers, "kind": executor})
    return load_settings(CorpusSettings, config, {key: values for key, values in given.items() if values})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given."""
    return {key: value for key, value in values.items() if value not in (None, [])}


def _labeller(grader: str | None, server: str | None) -> Labeller:
    from autovcoder.errors import InputError

    if grader is None:
        if server is not None:
            raise InputError("no model named", where="--server", fix="name it with --grader")
        from data_pipeline.rubric import RubricLabeller

        return RubricLabeller()
    if server is None:
        raise InputError("no server for the model that grades", where=grader, fix="name it with --server")
    from autovcoder.models.endpoint import EndpointModel
    from data_pipeline.label import ModelLabeller

    return ModelLabeller(EndpointModel(server, grader))


@contextmanager
def _run(settings: CorpusSettings) -> Iterator[Run]:
    """Where the tasks run, with a line on the terminal that says how far they are."""
    from data_pipeline.shards import Run

    line = StatusLine()
    try:
        yield Run(settings.executor, lambda phase, done, tasks: line.show(f"{phase}: {done} of {tasks} tasks"))
    finally:
        line.clear()


def _do(settings: CorpusSettings, work: Callable[[Run], Manifest]) -> None:
    with _run(settings) as run:
        manifest = work(run)
    _say(manifest)


def _say(manifest: Manifest) -> None:
    from autovcoder.cli.report_errors import say

    dropped = ", ".join(f"{reason} {count:,}" for reason, count in manifest.facts["dropped"].items())
    left = f"{manifest.stage}: {manifest.facts['modules']:,} modules left"
    say(f"{left}; dropped: {dropped}" if dropped else left)
    if manifest.stage == "data.score":
        say(f"scorer {manifest.facts['scorer']}, Spearman on held-out modules {manifest.facts['spearman']:.3f}")
