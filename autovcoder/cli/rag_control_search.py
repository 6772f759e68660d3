"""How each of the controls of `autovcoder rag controls` searches: by chance, by words, by an encoder, by the reference.

Reads a library's entries; writes the library of a stock encoder into the run's folder.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from autovcoder.records import Entry, Hit, StoreKind, content_id

if TYPE_CHECKING:
    from autovcoder.models import TextModel
    from autovcoder.records import Problem, Sampling
    from rag.context import ContextSettings, Refuse, Search
    from rag.library import Library

Control = Literal["none", "random", "bm25", "stock", "trained", "oracle", "solution"]
CONTROLS: tuple[Control, ...] = get_args(Control)
ON_REQUEST: tuple[Control, ...] = ("solution",)
"""It gives the answer away, so it tells one thing alone: whether the model uses what stands before a problem."""

SearchesFor: TypeAlias = "Callable[[Sequence[Problem]], Mapping[StoreKind, Search]]"
"""The searches for some problems, which are then asked in this order: two problems may have one text, so a control that
knows more of them than their texts cannot tell them apart by these."""


@dataclass(frozen=True)
class Run:
    """What all controls have in common.

    Attributes:
        load: gives the model, the same one every time.
        entries: of the stores that are used.
        refuse: the leak guard; it remembers what it said of an entry.
        stock: the encoder of the control of that name.
    """

    problems: Sequence[Problem]
    model: str
    endpoint: str | None
    load: Callable[[], TextModel]
    settings: ContextSettings
    sampling: Sampling
    out: Path
    described: dict[str, Any]
    entries: Mapping[StoreKind, Sequence[Entry]]
    refuse: Refuse
    stock: str | None


def searches_of(name: Control, run: Run, library: Library) -> SearchesFor:
    """How a control searches the stores that are used."""
    from autovcoder.cli.retrieval import searches

    if name == "oracle":
        return _nearest(run)
    if name == "solution":
        return lambda problems: {"example": partial(_solutions, problems)}
    fixed: Mapping[StoreKind, Search] = {}
    if name in ("trained", "stock"):
        used = library if name == "trained" else _stock_library(run, str(run.stock))
        fixed = {kind: search for kind, search in searches(used).items() if kind in run.entries}
    elif name == "bm25":
        fixed = {kind: _by_words(entries) for kind, entries in run.entries.items()}
    elif name == "random":
        fixed = {kind: partial(_by_chance, entries, run.sampling.seed) for kind, entries in run.entries.items()}
    return lambda _: fixed


def _solutions(problems: Sequence[Problem], *_: object) -> list[list[Hit]]:
    """Each problem itself, solved by its reference."""
    from rag.chunks import example

    return [[_hit(example(one.spec, one.reference))] if one.reference else [] for one in problems]


def _nearest(run: Run) -> SearchesFor:
    """What the reference says is nearest."""
    from autovcoder.overlap import shingles, words

    codes = {kind: [shingles(words(entry.text), 4) for entry in some] for kind, some in run.entries.items()}

    def nearest(kind: StoreKind, problems: Sequence[Problem], _: Sequence[str], k: int) -> list[list[Hit]]:
        entries = run.entries[kind]
        return [[_hit(entries[place]) for place in _nearest_code(one, entries, codes[kind])[:k]] for one in problems]

    return lambda problems: {kind: partial(nearest, kind, problems) for kind in run.entries}


def _by_words(entries: Sequence[Entry]) -> Search:
    from rag.word_index import WordIndex

    index = WordIndex.of(entry.key for entry in entries)

    def search(specs: Sequence[str], k: int) -> list[list[Hit]]:
        return [[_hit(entries[row]) for row in rows if row >= 0] for rows in index.search(specs, k).tolist()]

    return search


def _by_chance(entries: Sequence[Entry], seed: int, specs: Sequence[str], k: int) -> list[list[Hit]]:
    most = min(k, len(entries))
    drawn = (random.Random(f"{seed} {spec}").sample(range(len(entries)), most) for spec in specs)
    return [[_hit(entries[place]) for place in places] for places in drawn]


def _stock_library(run: Run, stock: str) -> Library:
    """The same entries under another encoder; made once for these entries."""
    from rag.embed import open_embedder
    from rag.library import make_library, open_library
    from rag.places import is_library

    entries = [entry for some in run.entries.values() for entry in some]
    folder = run.out / f"stock-library-{content_id(stock, sorted(entry.id for entry in entries))[:12]}"
    embedder = open_embedder(stock)
    if not is_library(folder):
        make_library(folder, embedder, lambda: entries)
    return open_library(folder, embedder)


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
