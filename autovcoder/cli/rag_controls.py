"""`autovcoder rag controls`: does retrieval help a model, and does the trained retriever help more than others would?

Reads a suite, a library and a model; writes a run's folder for each control, and a table and a figure of them all. The
controls are: no context, entries drawn by chance, BM25, a stock encoder, the library's own, and an oracle that sees the
reference.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import Field

from autovcoder.cli.rag import Place
from autovcoder.cli.report_errors import emit, say
from autovcoder.cli.stage_options import simulator_from
from autovcoder.records import Context, Entry, Hit, Record, StoreKind
from autovcoder.store import to_json_line

if TYPE_CHECKING:
    from autovcoder.models import TextModel
    from autovcoder.records import Problem, Sampling
    from rag.context import ContextSettings, Search
    from rag.library import Library
    from rag.store import EntryStore

Control = Literal["none", "random", "bm25", "stock", "trained", "oracle"]
CONTROLS: tuple[Control, ...] = ("none", "random", "bm25", "stock", "trained", "oracle")
_MOST = {"example": "examples", "knowledge": "knowledge"}
_KS = (1, 2, 5, 10)
_TABLE, _FIGURE, _ROWS = "controls.md", "controls.png", "controls.jsonl"


@dataclass(frozen=True)
class _Run:
    """What all controls have in common; ``topics`` maps examples to theirs."""

    problems: Sequence[Problem]
    model: str
    endpoint: str | None
    settings: ContextSettings
    sampling: Sampling
    out: Path
    described: dict[str, Any]
    topics: dict[str, str]


class Row(Record):
    """What one control came to.

    Attributes:
        recall: k to the share of problems with an example of their topic among the first k, with its 95 % interval;
            ``ndcg`` likewise. Empty where the suite's categories are no topics of the library.
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
    control: Annotated[list[str] | None, typer.Option(help="Only these controls; repeatable.")] = None,
    only: Annotated[Literal["example", "knowledge"] | None, typer.Option(help="Use one store alone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first problems.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Answers to each problem.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the sampling and of what chance draws.")] = 0,
    least: Annotated[float | None, typer.Option(help="Least cosine of an entry that is shown.")] = None,
) -> None:
    """Measure a model without context, with the library's, and with context chosen in other ways, in one table."""
    from autovcoder.cli.sampling import sampling_from
    from autovcoder.errors import InputError, StoreError
    from autovcoder.store import hash_input, write_atomic, write_jsonl
    from eval.suites import load_suite
    from rag.context import ContextSettings
    from rag.library import default_library, open_library
    from rag.measure import draw_intervals
    from rag.store import STORE

    chosen = [name for name in CONTROLS if name in (control or CONTROLS) and (name != "stock" or stock)]
    if unknown := set(control or ()) - set(CONTROLS):
        raise InputError("no such control", where=", ".join(sorted(unknown)), fix=f"known: {', '.join(CONTROLS)}")
    if not chosen:
        raise InputError("the control 'stock' needs an encoder", fix="name one with --stock")
    problems = load_suite(suite, data)[:limit]
    opened = open_library(library or default_library())
    settings = ContextSettings(
        **({"examples": 0} if only == "knowledge" else {"knowledge": 0} if only == "example" else {}),
        **({} if least is None else {"least_example": least, "least_knowledge": least}),
    )
    run = _Run(
        problems=problems,
        model=model,
        endpoint=endpoint,
        settings=settings,
        sampling=sampling_from(n, None, None, seed, 768),
        out=out,
        described={store.kind: hash_input(store.folder / STORE) for store in opened.stores} | {"stock": stock},
        topics={entry.id: entry.topic for _, entry in opened.examples.entries()} if opened.examples else {},
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("cannot write", where=out, fix=error.strerror or str(error)) from None
    # All of them before the first question: an encoder that is not there should not take hours to show.
    searches = {name: _searches(name, run, opened, stock) for name in chosen}
    rows = []
    for name in chosen:
        say(f"{name}: asking")
        rows.append(_measured(name, run, searches[name]))
        write_jsonl(out / _ROWS, rows)
    write_atomic(out / _TABLE, table(rows))
    k = min(rows[0].passed)
    draw_intervals({row.control: row.passed[k] for row in rows}, f"pass@{k}, with its 95 % interval", out / _FIGURE)
    emit(table(rows))
    say(f"the table is in {out / _TABLE}, the figure in {out / _FIGURE}")


def table(rows: Sequence[Row]) -> str:
    """The controls as a table in Markdown."""
    ks = sorted(rows[0].passed)
    heads = ["context", *(f"pass@{k}" for k in ks), *(f"recall@{k}" for k in _KS), "nDCG@10", "entries", "tokens"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row.control, *(_shown(row.passed[k]) for k in ks)]
        cells += [_shown(row.recall[k]) if row.recall else "" for k in _KS]
        cells += [_shown(row.ndcg) if row.ndcg else "", f"{row.shown:.1f}", f"{row.tokens:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"


def _measured(name: Control, run: _Run, search: Mapping[StoreKind, Search]) -> Row:
    """Ask, simulate and measure with one control; what a finished run of it left is taken as it is."""
    from autovcoder.cli.evaluate import evaluate_model
    from autovcoder.cli.retrieval import Retrieval, contexts_for, leak_guard
    from autovcoder.store import read_jsonl

    told = run.out / f"{name}.contexts.jsonl"
    refuse = leak_guard(run.problems)
    least = {} if name == "trained" else {"least_example": -1, "least_knowledge": -1}
    settings = run.settings.model_copy(update=least)

    def find(asked: Sequence[Problem], opened: TextModel, sampling: Sampling) -> list[Context]:
        specs = [(problem.spec, problem.interface) for problem in asked]
        found = contexts_for(specs, opened, search, settings, sampling, refuse)
        with told.open("a", encoding="utf-8") as file:
            for problem, context in zip(asked, found, strict=True):
                row = {"problem_id": problem.id, "shown": len(context.shown), "tokens": context.tokens}
                file.write(to_json_line(row | {"ids": context.ids}))
        return found

    retrieval = Retrieval({"control": name, **run.described, **settings.model_dump()}, find) if search else None
    report = evaluate_model(
        run.problems, run.model, run.endpoint, run.sampling, run.out / name, simulator_from(cache=True),
        retrieval=retrieval,
    )  # fmt: skip
    contexts = {row["problem_id"]: row for row in read_jsonl(told)} if told.exists() else {}
    rates = report.raw.overall.function
    shown = [(row["shown"], row["tokens"]) for row in contexts.values()] or [(0, 0)]
    return Row(
        control=name,
        passed={k: (rate.value, rate.low, rate.high) for k, rate in rates.items()},
        shown=sum(count for count, _ in shown) / len(shown),
        tokens=sum(tokens for _, tokens in shown) / len(shown),
        **_quality(run, search.get("example")),
    )


def _quality(run: _Run, search: Search | None) -> dict[str, Any]:
    """How often an example of the problem's topic is found, where the suite's categories are the library's topics."""
    from eval.metrics import bootstrap_interval
    from rag.measure import ndcg, recalled

    there = Counter(run.topics.values())
    asked = [problem for problem in run.problems if there[problem.category]]
    if search is None or not asked:
        return {}
    found = search([problem.spec for problem in asked], max(_KS))
    rankings = [[run.topics[hit.doc_id] for hit in hits] for hits in found]

    def rate(values: list[float]) -> tuple[float, float, float]:
        return sum(values) / len(values), *bootstrap_interval(values)

    pairs = list(zip((problem.category for problem in asked), rankings, strict=True))
    return {
        "recall": {k: rate([float(recalled(topic, ranking, k)) for topic, ranking in pairs]) for k in _KS},
        "ndcg": rate([ndcg(topic, ranking, there[topic]) for topic, ranking in pairs]),
    }


def _searches(name: Control, run: _Run, library: Library, stock: str | None) -> Mapping[StoreKind, Search]:
    """How a control searches the stores that are used."""
    from autovcoder.cli.retrieval import searches

    stores = {store.kind: store for store in library.stores if getattr(run.settings, _MOST[store.kind])}
    if name == "none":
        return {}
    if name in ("trained", "stock"):
        used = library if name == "trained" else _stock_library(run.out, list(stores.values()), str(stock))
        return {kind: search for kind, search in searches(used).items() if kind in stores}
    return {kind: _other(name, store, run) for kind, store in stores.items()}


def _stock_library(out: Path, stores: Sequence[EntryStore], stock: str) -> Library:
    """The same entries under another encoder; made once."""
    from rag.embed import open_embedder
    from rag.library import add_to, create_library, open_library

    folder, unfinished = out / "stock-library", out / "stock-library.unfinished"
    embedder = open_embedder(stock)
    if not folder.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        add_to(create_library(unfinished, embedder), [entry for store in stores for _, entry in store.entries()])
        unfinished.rename(folder)
    return open_library(folder, embedder)


def _other(name: Control, store: EntryStore, run: _Run) -> Search:
    """Chance, words alone, or what the reference says is nearest; scores say nothing there."""
    from autovcoder.overlap import shingles, words

    entries = [entry for _, entry in store.entries()]
    numbers = {row: place for place, (row, _) in enumerate(store.entries())}
    by_spec = {problem.spec: problem for problem in run.problems}
    codes = [shingles(words(entry.text), 4) for entry in entries] if name == "oracle" else []

    def search(specs: Sequence[str], k: int) -> list[list[Hit]]:
        if name == "bm25":
            found = [[numbers[row] for row in rows if row >= 0] for rows in store.matching(specs, k).tolist()]
        elif name == "random":
            found = [
                random.Random(f"{run.sampling.seed} {spec}").sample(range(len(entries)), min(k, len(entries)))
                for spec in specs
            ]
        else:
            found = [_nearest_code(by_spec[spec], entries, codes)[:k] for spec in specs]
        return [[_hit(entries[place]) for place in places] for places in found]

    return search


def _hit(entry: Entry) -> Hit:
    from rag.retrieve import hit_of

    return hit_of(entry, 0.0)


def _nearest_code(problem: Problem, entries: Sequence[Entry], codes: Sequence[frozenset[int]]) -> list[int]:
    """Entries of the problem's topic before others, and those first whose text shares most with the reference."""
    from autovcoder.overlap import jaccard, shingles, words

    wanted = shingles(words(f"{problem.spec}\n{problem.reference or ''}"), 4)
    return sorted(
        range(len(entries)),
        key=lambda place: (entries[place].topic != problem.category, -jaccard(wanted, codes[place])),
    )
