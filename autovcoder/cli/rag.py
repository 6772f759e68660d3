"""`autovcoder rag`: a library of examples and knowledge, and retrievers trained for it.

Reads files, pairs and models; writes a library or a stage folder, and prints what a search finds.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autovcoder.cli.report_errors import busy, emit, printable, say
from autovcoder.cli.stage_options import Config, Out, Seed, say_rows, simulator_from
from autovcoder.cli.status_line import StatusLine
from autovcoder.records import StoreKind

if TYPE_CHECKING:
    from autovcoder.records import Entry, Hit
    from rag.library import Library

app = typer.Typer(help="Retrieve examples and knowledge, and train retrievers.", no_args_is_help=True)

Place = Annotated[
    Path | None,
    typer.Option("--library", help="The library. [default: AUTOVCODER_LIBRARY, else your own, else the packaged one]"),
]
Written = Annotated[
    Path | None, typer.Option("--library", help="The library. [default: AUTOVCODER_LIBRARY, else your own]")
]
_SHOWN = 700


@app.command("add")
def add(
    source: Annotated[Path, typer.Argument(help="A folder or file of Markdown, text, PDF or RTL, or pairs.jsonl.")],
    library: Written = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="For a new library: 'static', a folder or a Hugging Face id. [default: static]"),
    ] = None,
    bare: Annotated[bool, typer.Option("--bare", help="A new library that is searched alone begins empty.")] = False,
) -> None:
    """Add your own texts and RTL to your library, or to one that you name; one that is not there is made.

    Your own is searched together with the packaged one while it has the packaged encoder. A library that you name, or
    that has another encoder, is searched alone, and so begins with all that the packaged one has.
    """
    from rag.chunks import folder_entries
    from rag.library import add_to, examples_of_pairs

    folder = _to_write(library)
    if source.name.startswith("pairs") and source.suffix in (".jsonl", ".gz"):
        entries = examples_of_pairs(source)
    else:
        entries, left_out = folder_entries(source)
        for name, reason in left_out:
            say(f"left out: {name}: {reason}")
    with busy("indexing"):
        opened = _open_or_create(folder, encoder, bare)
        added = add_to(opened, entries)
    held = ", ".join(f"{len(store)} of {plural(store.kind)}" for store in opened.stores)
    emit(f"{sum(added.values())} of {len(entries)} entries are new; {folder} has {held}\n")
    if opened.beside:
        say("the packaged library is searched together with it")


@app.command("remove")
def remove(
    names: Annotated[list[str], typer.Argument(help="Ids of entries, or sources: all entries of that file go.")],
    library: Written = None,
) -> None:
    """Take entries out of your library."""
    from autovcoder.errors import InputError
    from rag.library import open_library

    folder = _to_write(library)
    opened = open_library(folder)
    gone = 0
    for store in opened.stores:
        gone += store.remove([entry.id for _, entry in store.entries() if {entry.id, entry.source} & set(names)])
    if not gone:
        fix = (
            "`rag search` shows them; those of the packaged library stay"
            if opened.beside
            else "`rag search` shows them"
        )
        raise InputError("no entry has this id or source", where=", ".join(names), fix=fix)
    emit(f"{gone} entries are removed; {folder} has {sum(len(store) for store in opened.stores)}\n")


@app.command("search")
def search(
    query: Annotated[str, typer.Argument(help="A question or a problem; '-' reads stdin.")],
    library: Place = None,
    k: Annotated[int, typer.Option("-k", min=1, help="The most entries of each kind.")] = 3,
    store: Annotated[StoreKind | None, typer.Option(help="Only this kind. [default: both]")] = None,
    hybrid: Annotated[bool, typer.Option("--hybrid/--no-hybrid", help="Rank by words (BM25) as well.")] = True,
    rerank: Annotated[str | None, typer.Option(help="A cross-encoder's folder or Hugging Face id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find entries: the best first, with their source; words of the query are highlighted."""
    from autovcoder.errors import InputError
    from rag.library import open_library
    from rag.places import KINDS, default_library
    from rag.retrieve import CrossEncoderReranker, Retriever

    try:
        text = sys.stdin.read() if query == "-" else query
        text.encode()
    except UnicodeError:
        raise InputError("the query is not text in UTF-8") from None
    if not text.strip():
        raise InputError("the query is empty", fix="say what you look for")
    opened = open_library(library or default_library())
    reranker = CrossEncoderReranker(rerank) if rerank else None
    hits = [
        hit
        for kind in KINDS
        if store in (None, kind)
        for hit in Retriever(*opened.searched(kind), hybrid=hybrid, rerank=reranker).search(text, k)
    ]
    if as_json:
        emit(json.dumps([hit.model_dump() for hit in hits], indent=2, ensure_ascii=False) + "\n")
        return
    for number, hit in enumerate(hits, start=1):
        emit(_shown(number, hit, text))


@app.command("mine")
def mine(
    tasks: Annotated[Path, typer.Option(help="Problems to ask: pairs.jsonl, or a suite's problems.jsonl.")],
    out: Out,
    library: Place = None,
    store: Annotated[StoreKind, typer.Option(help="Whose entries are tried.")] = "example",
    model: Annotated[str | None, typer.Option(help="Who is asked. [default: nano]")] = None,
    endpoint: Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible server.")] = None,
    problems: Annotated[int | None, typer.Option(min=1, help="How many problems are drawn.")] = None,
    config: Config = None,
    seed: Seed = None,
) -> None:
    """Ask a model with an entry before the problem and without, and keep which entries made its answers better."""
    from autovcoder.config import load_settings
    from autovcoder.errors import InputError
    from autovcoder.models import open_model
    from rag.library import open_library
    from rag.mine import MiningSettings, mine
    from rag.places import default_library

    given = {"model": model, "endpoint": endpoint, "problems": problems, "seed": seed}
    settings = load_settings(MiningSettings, config, given)
    opened = open_library(library or default_library())
    chosen = opened.searched(store)
    if not any(map(len, chosen)):
        raise InputError(f"the library has no {plural(store)}", where=library or default_library())
    asked = open_model(settings.model, settings.endpoint)
    line = StatusLine()
    try:
        manifest = mine(
            out, settings, tasks, chosen, asked, simulator_from(cache=True),
            lambda done, total: line.show(f"mining: {done} of {total} problems"),
        )  # fmt: skip
    finally:
        line.clear()
    say_rows(manifest, out)


@app.command("agreement")
def agreement(
    one: Annotated[Path, typer.Argument(help="A folder of `rag mine`.")],
    other: Annotated[Path, typer.Argument(help="Another one of the same problems, such as by another model.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How far two minings say the same of the entries that both tried with the same problems."""
    from autovcoder.errors import InputError
    from autovcoder.files import read_records
    from rag.groups import Mined
    from rag.mine import MINED, agreement

    found = agreement(*(read_records(folder / MINED, Mined) for folder in (one, other)))
    if not found["both"]:
        raise InputError("no entry was tried with the same problem in both", where=f"{one}, {other}")
    if as_json:
        emit(json.dumps(found) + "\n")
        return
    shown = {name: "not defined" if found[name] is None else f"{found[name]:.3f}" for name in ("agree", "kappa")}
    emit(
        f"{found['both']} pairs of a problem and an entry were tried in both; Cohen's kappa of better, worse and the "
        f"same: {shown['kappa']}\nof {found['decided']} neither found a tie; the share with the same sign: "
        f"{shown['agree']}\n"
    )


@app.command("train")
def train(
    out: Out,
    pairs: Annotated[Path | None, typer.Option(help="Verified pairs: two of one family are near each other.")] = None,
    mined: Annotated[list[Path] | None, typer.Option(help="A folder of `rag mine`; repeatable.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="'static', from nothing, or one to train on, such as BAAI/bge-m3.")
    ] = None,
    config: Config = None,
    seed: Seed = None,
) -> None:
    """Train a retriever by contrastive learning; `rag add --encoder OUT` makes a library with it."""
    from autovcoder.config import load_settings
    from rag.train import RetrieverSettings, train_retriever

    settings = load_settings(RetrieverSettings, config, {"encoder": encoder, "seed": seed})
    with busy("training"):
        manifest = train_retriever(out, settings, pairs=pairs, mined=mined or ())
    say_rows(manifest, out)


def _to_write(library: Path | None) -> Path:
    """The library that is written: the user's own unless another is named, and never the packaged one."""
    from autovcoder.errors import InputError
    from rag.places import packaged_library, user_library

    folder = library or user_library()
    if folder.resolve() == packaged_library().resolve():
        raise InputError("the packaged library is only read", where=folder, fix="name another folder")
    return folder


def _open_or_create(folder: Path, encoder: str | None, bare: bool) -> Library:
    from rag.embed import PACKAGED, open_embedder
    from rag.library import make_library, open_library
    from rag.places import is_library, is_own, packaged_library

    embedder = open_embedder(encoder) if encoder else None
    if not is_library(folder):
        embedder = embedder or open_embedder(PACKAGED)
        alone = bare or (is_own(folder) and embedder.name == PACKAGED)

        def entries() -> list[Entry]:
            stores = () if alone else open_library(packaged_library()).stores
            return [entry for store in stores for _, entry in store.entries()]

        make_library(folder, embedder, entries)
    return open_library(folder, embedder)


def _shown(number: int, hit: Hit, query: str) -> str:
    """A hit for people: a head line, its source, and the beginning of its text."""
    head = f"{number}. {hit.title}  [{hit.store}, {hit.score:.2f}]"
    where = ", ".join(part for part in (hit.source, hit.place) if part)
    text = hit.text.removeprefix(hit.title).strip()
    text = text if len(text) <= _SHOWN else text[:_SHOWN].rsplit("\n", 1)[0] + "\n…"
    body = printable("\n".join(f"    {line}" for line in text.splitlines()))
    return f"{printable(head)}\n    ({where}; {hit.doc_id})\n{_highlighted(body, query)}\n\n"


def _highlighted(text: str, query: str) -> str:
    """The query's longer words in bold, where stdout is a terminal."""
    words = {word.lower() for word in re.findall(r"[^\W_]{3,}", query)}
    if not sys.stdout.isatty() or not words:
        return text
    known = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    return known.sub(lambda found: f"\033[1m{found[0]}\033[0m", text)


def plural(kind: StoreKind) -> str:
    """What entries of a kind are called."""
    return "examples" if kind == "example" else "knowledge"
