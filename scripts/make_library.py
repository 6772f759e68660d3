"""What retrieval has in the package, made again: the encoder in rag/encoder and the library in rag/library.

Reads a folder of parametric pairs with the problems that are held out from them (`autovcoder data pairs`, or the
recipe of nano), and the problems of benchmarks; writes both folders anew, each with a card. The same pairs give the
same files, on one machine and with the same number of threads.

Three things keep problems that are measured out of the library: the pairs hold none of the held-out designs and none
of their texts (`data_pipeline.pairs`); pairs that copy a benchmark's problem are not among them; and every example is
put to the leak guard by which an evaluation refuses entries, here with the held-out problems, the packaged suite and
all of `--against` at once, and what it refuses is not taken.

    python scripts/make_library.py --pairs runs/nano/pairs --against runs/suites/human/problems.jsonl
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from autovcoder.cli.report_errors import say
from autovcoder.cli.retrieval import leak_guard
from autovcoder.errors import AutoVCoderError, InputError
from autovcoder.files import read_records, replace_folder, sha256_file, write_atomic
from autovcoder.overlap import jaccard, shingles, words
from autovcoder.records import Entry, Problem
from autovcoder.store import MANIFEST, Manifest, read_manifest
from eval.metrics import bootstrap_interval
from eval.suites import load_suite
from rag.chunks import example, handbook
from rag.context import ContextSettings, Refuse
from rag.embed import PACKAGED, Embedder, StaticEmbedder
from rag.library import KINDS, Library, add_to, create_library, examples_of_pairs
from rag.measure import DEEP, KS, Quality, Rate, quality
from rag.retrieve import Retriever, hit_of
from rag.train import RetrieverSettings, train_retriever

EACH = 22
"""Examples of a family: about 2,500 in all."""
MOST_BYTES = 9_000_000
"""Of both folders; a wheel must stay small."""
SETTINGS = RetrieverSettings(dimension=128, sources=("topic", "title"))
"""Half the usual dimension halves the table and the vectors."""
OTHERWISE = {
    "barrel_rotate16": "rotate", "bcd_counter4": "bcd_counter", "clock_enable_div": "tick_generator clock_divider",
    "crc16_serial": "crc_serial", "debouncer": "debouncer", "decade_counter": "modulo_counter bcd_counter counter",
    "detect_1011": "sequence_detector", "dual_port_ram": "dual_port_ram", "gray_counter4": "gray_counter",
    "lfsr16": "lfsr", "lifo_stack": "lifo_stack", "mac_saturating": "mac", "mux6": "mux", "popcount12": "popcount",
    "priority_encoder8": "priority_encoder", "pwm_generator": "pwm", "register_file": "register_file",
    "rom_lookup": "rom registered_rom", "round_robin_arbiter4": "round_robin_arbiter",
    "saturating_adder8": "saturating_adder", "shift_register8": "shift_register universal_shift_register",
    "skid_buffer": "skid_buffer", "spi_master": "spi_master_tx", "sync_fifo": "sync_fifo",
    "traffic_light": "traffic_light", "uart_receiver": "uart_rx", "uart_transmitter_fifo": "uart_tx",
    "vending_machine": "coin_machine", "watchdog_timer": "watchdog",
}  # fmt: skip
"""Problems of the packaged suite, which is worded otherwise, and the families that a circuit like theirs is of."""
_SHINGLE = 4
_TABLE = "embedding.weight"
_WEIGHTS = ("model.safetensors", "tokenizer.json", "modules.json")


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="a folder with pairs.jsonl and problems.jsonl")
    parser.add_argument("--against", type=Path, nargs="*", default=[], help="problems.jsonl of benchmarks")
    parser.add_argument("--out", type=Path, default=Path(str(files("rag"))), help="where encoder and library are put")
    parser.add_argument("--each", type=int, default=EACH, help="examples of a family")
    options = parser.parse_args()
    try:
        make(options.pairs, options.against, options.out, options.each)
    except AutoVCoderError as error:
        say(f"error: {error}")
        return 1
    return 0


def make(pairs: Path, against: Sequence[Path], out: Path, each: int) -> None:
    """Make both folders below ``out``, which is an existing folder.

    Raises:
        InputError: an input is missing, was compared with no benchmark, or has too few pairs of a family; or the
            folders would be too large.
    """
    if not out.is_dir():
        raise InputError("no such folder", where=out)
    if not against and not ((pairs / MANIFEST).exists() and read_manifest(pairs).inputs):
        raise InputError("compared with no benchmark", where=pairs, fix="give --against problems.jsonl")
    held_out = list(read_records(pairs / "problems.jsonl", Problem))
    problems = [*held_out, *load_suite("builtin", None)]
    problems += [problem for file in against for problem in read_records(file, Problem)]
    with tempfile.TemporaryDirectory(dir=out, prefix=".library-") as name:
        folder = Path(name)
        trained = train_retriever(folder / "trained", SETTINGS, pairs=pairs / "pairs.jsonl")
        (folder / "encoder").mkdir()
        for weights in _WEIGHTS:
            (folder / "trained" / weights).rename(folder / "encoder" / weights)
        say("the encoder is trained")
        embedder = StaticEmbedder(folder / "encoder")
        embedder.name = PACKAGED  # where it will be
        library = create_library(folder / "library", embedder)
        examples = chosen(examples_of_pairs(pairs / "pairs.jsonl"), each, leak_guard(problems))
        add_to(library, [*examples, *handbook()])
        say(f"the library has {len(examples)} examples and {len(handbook())} pieces of knowledge")
        told = origin(pairs, against, each) + "\n"
        told += measurements(library, held_out, untrained(folder / "encoder", folder))
        write_atomic(folder / "encoder" / "README.md", encoder_card(folder / "encoder", trained, told))
        write_atomic(folder / "library" / "README.md", library_card(folder / "library", library, each, problems, told))
        size = sum(path.stat().st_size for path in files_of(folder / "encoder") + files_of(folder / "library"))
        if size > MOST_BYTES:
            raise InputError(f"{size:,} bytes, more than {MOST_BYTES:,}", where=out, fix="take a smaller --each")
        for part in ("encoder", "library"):
            replace_folder(folder / part, out / part)
    say(f"{out / 'encoder'} and {out / 'library'} are made, {size:,} bytes")


def chosen(entries: Sequence[Entry], each: int, refuse: Refuse) -> list[Entry]:
    """So many examples of every family: the shortest that may be shown, none alike another where there are enough.

    Raises:
        InputError: a family has too few.
    """
    families: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (len(entry.text), entry.id)):
        families[entry.topic].append(entry)
    found = []
    for family, some in sorted(families.items()):
        taken = list(islice(_best_first(some, refuse), each))
        if len(taken) < each:
            raise InputError(f"only {len(taken)} examples may be shown", where=family, fix="take a smaller --each")
        found += [_as_packaged(entry) for entry in taken]
    return found


def _best_first(entries: Sequence[Entry], refuse: Refuse) -> Iterator[Entry]:
    """Those that differ, in their order, then those that are alike one of them."""
    seen: list[frozenset[int]] = []
    alike = []
    for entry in entries:
        if refuse(hit_of(entry, 0.0)) is not None:
            continue
        told = shingles(words(entry.text), _SHINGLE)
        # The same rule by which a context leaves out what another entry tells.
        if any(jaccard(told, other) >= ContextSettings().alike for other in seen):
            alike.append(entry)
            continue
        seen.append(told)
        yield entry
    yield from alike


def _as_packaged(entry: Entry) -> Entry:
    code = entry.text.removeprefix(entry.key).strip("\n") + "\n"
    return example(entry.key, code, topic=entry.topic, source=f"families/{entry.topic}")


def untrained(encoder: Path, scratch: Path) -> StaticEmbedder:
    """An encoder of the same tokens whose vectors are chance, as they are before the first step of training."""
    folder = scratch / "untrained"
    folder.mkdir()
    shutil.copy(encoder / "tokenizer.json", folder)
    rows, dimension = load_file(encoder / "model.safetensors")[_TABLE].shape
    chance = np.random.default_rng(SETTINGS.seed).standard_normal((rows, dimension)).astype(np.float16)
    save_file({_TABLE: chance}, folder / "model.safetensors")
    return StaticEmbedder(folder)


def measured(
    library: Library, beginner: Embedder, specs: Sequence[str], families: Sequence[set[str]]
) -> dict[str, Quality]:
    """How well an example of a problem's families is found: by the encoder, before its training, by words, by both."""
    [store] = library.searched("example")
    entries = dict(store.entries())
    topics = {row: entry.topic for row, entry in entries.items()}
    kinds = list(topics.values())
    keys = beginner.encode([entry.key for entry in entries.values()], "document")
    nearest = np.argsort(-beginner.encode(specs, "query") @ keys.T, axis=1, kind="stable")[:, :DEEP].tolist()
    rankings = {
        "this encoder": [[one.topic for one in found] for found in Retriever(store).find_many(specs, DEEP)],
        "the same, untrained": [[kinds[place] for place in places] for places in nearest],
        "BM25": [[topics[row] for row in rows if row >= 0] for rows in store.words.search(specs, DEEP).tolist()],
        "encoder and words": [
            [one.topic for one in found] for found in Retriever(store, hybrid=True).find_many(specs, DEEP)
        ],
    }
    # A problem's own number stands for all of its families.
    wanted = [str(number) for number in range(len(specs))]
    there = {name: sum(topic in some for topic in topics.values()) for name, some in zip(wanted, families, strict=True)}

    def judged(ranked: Sequence[Sequence[str]]) -> list[list[str]]:
        triples = zip(wanted, families, ranked, strict=True)
        return [[name if topic in some else "" for topic in ranking] for name, some, ranking in triples]

    return {name: quality(wanted, judged(ranked), there, bootstrap_interval) for name, ranked in rankings.items()}


def measurements(library: Library, held_out: Sequence[Problem], beginner: Embedder) -> str:
    """All tables, in Markdown."""
    known = {entry.topic for _, entry in library.searched("example")[0].entries()}
    held_out = [problem for problem in held_out if problem.category in known]
    other = [problem for problem in load_suite("builtin", None) if {*OTHERWISE.get(problem.id, "").split()} & known]
    nameless = [one for one in held_out if not {*words(one.spec)} & {*one.category.split("_")}]

    def by_family(problems: Sequence[Problem]) -> str:
        if not problems:
            return "(There are none.)"
        return table(measured(library, beginner, [one.spec for one in problems], [{one.category} for one in problems]))

    families = [{*OTHERWISE[one.id].split()} for one in other]
    otherwise = measured(library, beginner, [one.spec for one in other], families)
    return f"""
## Measured

Is an example of the problem's circuit family among the first k of the library's? Means with 95 % intervals (bootstrap).

{len(held_out)} held-out problems, all whose family the library has, in frames of words that no training problem has:

{by_family(held_out)}

{len(nameless)} of these, whose text has no word of the family's name:

{by_family(nameless)}

{len(other)} problems of the packaged suite, which is worded otherwise, each assigned by hand to the families like it:

{table(otherwise)}
"""


def encoder_card(folder: Path, trained: Manifest, told: str) -> str:
    """The README of the encoder's folder."""
    tokens = len(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])
    groups = ", ".join(f"{count:,} by {source}" for source, count in trained.facts["groups"].items() if count)
    return f"""# The packaged encoder

A static encoder of texts about digital circuits: one vector for each token, and a text's vector is their mean. numpy
encodes with it; sentence-transformers loads the folder too. All that it learned from is AutoVCoder's own (circuit
families, handbook). Licence: Apache-2.0.

## Made

- {tokens:,} tokens (byte-pair encoding in lower case, digits single) with {SETTINGS.dimension} numbers each, in float16
- InfoNCE over groups ({groups}), seed {SETTINGS.seed}
- torch {version("torch")}, sentence-transformers {version("sentence-transformers")}
{told}
{hashes(folder)}"""


def library_card(folder: Path, library: Library, each: int, problems: Sequence[Problem], told: str) -> str:
    """The README of the library's folder."""
    solved, known = (sum(map(len, library.searched(kind))) for kind in KINDS)
    suites = Counter(problem.suite for problem in problems)
    return f"""# The packaged library

{solved:,} solved problems ({each} of each of {solved // each} circuit families) and {known} pieces of knowledge
(the handbook), with their vectors and words. Every example passed its testbench in simulation. All of it is
AutoVCoder's own. Licence: Apache-2.0. It is only ever read: `autovcoder rag add` writes to a user's own library, which
is searched together with this one.

Of each family the shortest examples were taken, none alike another one where there were enough. None is a problem that
is measured: the leak guard by which an evaluation refuses entries was asked of every example, with all problems of the
following suites, and what it refuses is not here. (Of the parametric suite, which holds out designs and not families,
it refuses the same RTL under whatever names, and the same text.)

{chr(10).join(f"- {suite}: {count} problems" for suite, count in sorted(suites.items()))}

## Made

{told}
{hashes(folder)}"""


def origin(pairs: Path, against: Sequence[Path], each: int) -> str:
    """The command and the hashes of its inputs, without this machine's paths."""
    given = [f"--pairs {_shown(pairs)}", *(["--against", *map(_shown, against)] if against else [])]
    given += [] if each == EACH else [f"--each {each}"]
    inputs = [pairs / "pairs.jsonl", pairs / "problems.jsonl", *against]
    return "\n".join(
        [
            f"- `python scripts/make_library.py {' '.join(given)}`",
            *(f"- {_shown(path)}: sha256 {sha256_file(path)}" for path in inputs),
        ]
    )


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if path.is_absolute() else path.as_posix()


def table(found: dict[str, Quality]) -> str:
    """A measurement as a table of Markdown."""

    def cell(rate: Rate) -> str:
        return f"{rate[0]:.3f} ({rate[1]:.3f} to {rate[2]:.3f})"

    heads = ["ranked by", *(f"recall@{k}" for k in KS), f"nDCG@{DEEP}"]
    rows = [[name, *(cell(one.recall[k]) for k in KS), cell(one.ndcg)] for name, one in found.items()]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def hashes(folder: Path) -> str:
    """Every file with its size and hash, in Markdown."""
    lines = ["## Files", "", "| file | bytes | sha256 |", "|---|---|---|"]
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        lines.append(f"| {name} | {path.stat().st_size:,} | {sha256_file(path)} |")
    return "\n".join(lines) + "\n"


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
