"""`autovcoder rag controls`: does retrieval help a model, and does the trained retriever help more than others would?

Reads a suite, a library and a model; writes a run's folder for each control, and a table and a figure of them all. The
controls are: no context, entries drawn by chance, BM25, a stock encoder, the library's own, an oracle that sees the
reference, and, where it is asked for, the problem's own solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import Field

from autovcoder.cli.rag import Place, plural
from autovcoder.cli.rag_control_search import CONTROLS, ON_REQUEST, Control, Run, SearchesFor, searches_of
from autovcoder.cli.report_errors import emit, say
from autovcoder.cli.stage_options import simulator_from
from autovcoder.records import Context, Entry, Hit, Record, StoreKind

if TYPE_CHECKING:
    from autovcoder.models import TextModel
    from autovcoder.records import Problem, Sampling
    from rag.context import ContextSettings, Refuse
    from rag.library import Library
    from rag.measure import Quality

_TABLE, _FIGURE, _ROWS = "controls.md", "controls.png", "controls.jsonl"


class Row(Record):
    """What one control came to.

    Attributes:
        recall: k to the share of problems with an example of their topic among the first k, with its 95 % interval;
            ``ndcg`` likewise. What the leak guard refuses is never shown, so it counts neither as found nor as there.
            Empty where the suite's categories are no topics of the library.
        passed: k to pass@k and its interval. ``tokens``: that the context adds to a prompt, on average.
        shown: entries shown to a problem, on average.
    """

    control: Control
    recall: dict[int, tuple[float, float, float]] = Field(default_factory=dict)
    ndcg: tuple[float, float, float] | None = None
    passed: dict[int, tuple[float, float, float]]
    tokens: float
    shown: float


def controls(
    suite: Annotated[str, typer.Option(help="A suite that `autovcoder eval suites` lists.")],
    out: Annotated[Path, typer.Option(help="The folder for the runs, the table and the figure; resumed.")],
    data: Annotated[Path | None, typer.Option(help="Folder with the suite's files.")] = None,
    library: Place = None,
    model: Annotated[str, typer.Option(help="'nano', a Hugging Face id or a folder.")] = "nano",
    endpoint: Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible server.")] = None,
    stock: Annotated[
        str | None, typer.Option(help="The encoder for the control 'stock', such as a Hugging Face id; without, none.")
    ] = None,
    control: Annotated[list[str] | None, typer.Option(help=f"Only these: {', '.join(CONTROLS)}; repeatable.")] = None,
    only: Annotated[Literal["example", "knowledge"] | None, typer.Option(help="Use one store alone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first problems.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Answers to each problem.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the sampling and of what chance draws.")] = 0,
    least: Annotated[float | None, typer.Option(min=-1, max=1, help="Least cosine of an entry that is shown.")] = None,
) -> None:
    """Measure a model without context, with the library's, and with context chosen in other ways, in one table."""
    from autovcoder.cli.retrieval import identity, leak_guard
    from autovcoder.cli.sampling import sampling_from
    from autovcoder.files import write_jsonl, writing
    from autovcoder.models import open_model
    from eval.suites import load_suite
    from rag.library import open_library
    from rag.places import default_library

    chosen = _chosen(control, stock)
    problems = load_suite(suite, data)[:limit]
    folder = library or default_library()
    opened = open_library(folder)
    run = Run(
        problems=problems,
        model=model,
        endpoint=endpoint,
        load=lru_cache(partial(open_model, model, endpoint)),
        settings=_settings(only, least),
        sampling=sampling_from(n, None, None, seed, 768),
        out=out,
        described=identity(opened),
        entries=_entries(opened, only, folder),
        refuse=_remembered(leak_guard(problems)),
        stock=stock,
    )
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    # All of them before the first question: an encoder that is not there should not take hours to show.
    searches = {name: searches_of(name, run, opened) for name in chosen}
    rows = []
    for name in chosen:
        say(f"{name}: asking")
        rows.append(_measured(name, run, searches[name]))
        write_jsonl(out / _ROWS, rows)
    _show(rows, out)


def _chosen(control: Sequence[str] | None, stock: str | None) -> list[Control]:
    """The controls that are asked for, or the usual ones: without an encoder for it, ``stock`` is not among these.

    Raises:
        InputError: one of them is not known, or ``stock`` is asked for without an encoder.
    """
    from autovcoder.errors import InputError

    if unknown := set(control or ()) - set(CONTROLS):
        raise InputError("no such control", where=", ".join(sorted(unknown)), fix=f"known: {', '.join(CONTROLS)}")
    asked = control or set(CONTROLS) - set(ON_REQUEST)
    if not stock and "stock" in (control or ()):
        raise InputError("the control 'stock' needs an encoder", fix="name one with --stock")
    return [name for name in CONTROLS if name in asked and (name != "stock" or stock)]


def _settings(only: StoreKind | None, least: float | None) -> ContextSettings:
    from rag.context import ContextSettings

    return ContextSettings(
        **({"examples": 0} if only == "knowledge" else {"knowledge": 0} if only == "example" else {}),
        **({} if least is None else {"least_example": least, "least_knowledge": least}),
    )


def _show(rows: Sequence[Row], out: Path) -> None:
    """Write the table and the figure of all controls, and print the table."""
    from autovcoder.files import write_atomic
    from rag.measure import draw_intervals

    write_atomic(out / _TABLE, table(rows))
    k = min(rows[0].passed)
    draw_intervals({row.control: row.passed[k] for row in rows}, f"pass@{k}, with its 95 % interval", out / _FIGURE)
    emit(table(rows))
    say(f"the table is in {out / _TABLE}, the figure in {out / _FIGURE}")


def table(rows: Sequence[Row]) -> str:
    """The controls as a table in Markdown."""
    from rag.measure import KS

    ks = sorted(rows[0].passed)
    heads = ["context", *(f"pass@{k}" for k in ks), *(f"recall@{k}" for k in KS), "nDCG@10", "entries", "tokens"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row.control, *(_shown(row.passed[k]) for k in ks)]
        cells += [_shown(row.recall[k]) if row.recall else "" for k in KS]
        cells += [_shown(row.ndcg) if row.ndcg else "", f"{row.shown:.1f}", f"{row.tokens:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"


def _entries(library: Library, only: StoreKind | None, folder: Path) -> dict[StoreKind, list[Entry]]:
    """The entries of the stores that are used, by kind; a kind without any is not there.

    Raises:
        InputError: there is none; names ``folder``, where the library is.
    """
    from autovcoder.errors import InputError
    from rag.places import KINDS

    found = {}
    for kind in KINDS if only is None else (only,):
        entries = {entry.id: entry for store in library.searched(kind) for _, entry in store.entries()}
        if entries:
            found[kind] = list(entries.values())
    if not found:
        what = "entries" if only is None else plural(only)
        fix = "add some with `autovcoder rag add`" + (", or leave --only out" if only else "")
        raise InputError(f"the library has no {what}", where=folder, fix=fix)
    return found


def _remembered(refuse: Refuse) -> Refuse:
    """The leak guard, asked once for each entry."""
    known: dict[str, str | None] = {}

    def remembered(hit: Hit) -> str | None:
        if hit.doc_id not in known:
            known[hit.doc_id] = refuse(hit)
        return known[hit.doc_id]

    return remembered


def _measured(name: Control, run: Run, searches: SearchesFor) -> Row:
    """Ask, simulate and measure with one control; what a finished run of it left is taken as it is."""
    from autovcoder.cli.evaluate import evaluate_model
    from autovcoder.cli.retrieval import Retrieval, contexts_for
    from autovcoder.files import read_jsonl, write_jsonl

    told = run.out / f"{name}.contexts.jsonl"
    asked = {problem.id for problem in run.problems}
    # Of a run with other problems nothing counts.
    rows = {row["problem_id"]: row for row in (read_jsonl(told) if told.exists() else ()) if row["problem_id"] in asked}
    changes = {} if name == "trained" else {"least_example": -1, "least_knowledge": -1}
    if name == "solution":
        changes["examples"] = 1  # whatever store is measured
    settings = run.settings.model_copy(update=changes)

    def find(problems: Sequence[Problem], opened: TextModel, sampling: Sampling) -> list[Context]:
        specs = [(problem.spec, problem.interface) for problem in problems]
        refuse = None if name == "solution" else run.refuse  # where the answer is shown on purpose
        found = contexts_for(specs, opened, searches(problems), settings, sampling, refuse)
        for problem, context in zip(problems, found, strict=True):
            row = {"problem_id": problem.id, "shown": len(context.shown), "tokens": context.tokens, "ids": context.ids}
            rows[problem.id] = row
        write_jsonl(told, rows.values())
        return found

    described = {"control": name, **run.described, **({"stock": run.stock} if name == "stock" else {})}
    retrieval = Retrieval({**described, **settings.model_dump()}, find) if name != "none" else None
    report = evaluate_model(
        run.problems, run.model, run.endpoint, run.sampling, run.out / name, simulator_from(cache=True),
        retrieval=retrieval, load=run.load,
    )  # fmt: skip
    rates = report.raw.overall.function
    shown = [(row["shown"], row["tokens"]) for row in rows.values()] or [(0, 0)]
    found = None if name == "solution" else _quality(run, searches)
    return Row(
        control=name,
        passed={k: (rate.value, rate.low, rate.high) for k, rate in rates.items()},
        shown=sum(count for count, _ in shown) / len(shown),
        tokens=sum(tokens for _, tokens in shown) / len(shown),
        **(found._asdict() if found else {}),
    )


def _quality(run: Run, searches: SearchesFor) -> Quality | None:
    """How often an example of the problem's topic is found, where the suite's categories are the library's topics."""
    from eval.metrics import bootstrap_interval
    from rag.measure import DEEP, quality
    from rag.retrieve import hit_of

    examples = run.entries.get("example", ())
    topics = {entry.id: entry.topic for entry in examples}
    there = {}
    for topic in {problem.category for problem in run.problems} & set(topics.values()):
        allowed = (entry for entry in examples if entry.topic == topic and run.refuse(hit_of(entry, 0.0)) is None)
        there[topic] = len(list(islice(allowed, DEEP)))  # more are worth no more
    asked = [problem for problem in run.problems if there.get(problem.category)]
    search = searches(asked).get("example")
    if search is None or not asked:
        return None
    deep = DEEP
    while True:  # until so many that may be shown are found, or no more are
        found = search([problem.spec for problem in asked], deep)
        fair = [[hit for hit in hits if run.refuse(hit) is None] for hits in found]
        if all(len(some) >= DEEP or len(hits) < deep for some, hits in zip(fair, found, strict=True)):
            break
        deep *= 4
    rankings = [[topics[hit.doc_id] for hit in some] for some in fair]
    return quality([problem.category for problem in asked], rankings, there, bootstrap_interval)
