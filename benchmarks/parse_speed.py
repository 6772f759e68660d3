"""How fast RTL files are split into modules, and how many can be: ours against Pyverilog and tree-sitter, in one run.

Reads a folder that ``autovcoder data collect`` wrote; prints a table. Every reader gets the same files, as bytes, on
one core, and has to name the modules in them. Ours does more with each: encoding, macros from all over the repository,
ports, language, doc comments, and a record for each module. Pyverilog finds each file in its own repository, unpacked
before the clock starts, for its preprocessor is ``iverilog -E``. A file counts as read when every module in it comes
out without a syntax error.

    python benchmarks/parse_speed.py REPOS [--mb 3] [--seed 0]

Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autovcoder.files import read_records
from autovcoder.records import Provenance, Repository, RtlModule
from data_pipeline.archives import read_sources
from data_pipeline.modules import extract_modules
from data_pipeline.source_text import Macros, decode
from hdl_sim.spans import module_spans

MAX_FILE = 200_000


@dataclass
class File:
    repository: Repository
    path: str
    data: bytes
    names: list[str]


@dataclass
class Reading:
    """What one reader did with all files."""

    seconds: float = 0.0
    read: int = 0
    failures: list[str] = field(default_factory=list)


def sample(repos: Path, mb: float, seed: int) -> list[File]:
    """Files with modules in them, drawn at random, of about ``mb`` megabytes."""
    files = []
    for repository in read_records(repos / "repos.jsonl", Repository):
        for path, data in read_sources(repos, repository):
            if path.endswith((".v", ".sv")) and len(data) <= MAX_FILE and b"endmodule" in data:
                files.append(File(repository, path, data, []))
    random.Random(seed).shuffle(files)
    drawn, size = [], 0
    for file in files:
        if size > mb * 1e6:
            break
        with contextlib.suppress(ValueError):
            file.names = [span.name for span in module_spans(decode(file.data)) if span.closed]
            if file.names:
                drawn.append(file)
                size += len(file.data)
    return drawn


def measure(files: list[File], names_in: Callable[[File], list[str]]) -> Reading:
    reading = Reading()
    for file in files:
        started = time.perf_counter()
        try:
            names = names_in(file)
        except Exception as error:  # a reader may fail as it likes
            names = []
            reading.failures.append(f"{file.path}: {type(error).__name__}")
        reading.seconds += time.perf_counter() - started
        reading.read += set(file.names) <= set(names)
    return reading


def ours(repos: Path, files: list[File]) -> Callable[[File], list[str]]:
    """Macros of a repository are gathered once; the time for it is reported apart."""
    macros: dict[str, Macros] = {}
    started = time.perf_counter()
    size = 0
    for repository in {file.repository.name: file.repository for file in files}.values():

        def texts(repository: Repository = repository) -> Iterator[tuple[str, str]]:
            nonlocal size
            for path, data in read_sources(repos, repository):
                size += len(data)
                with contextlib.suppress(ValueError):
                    yield path, decode(data)

        macros[repository.name] = Macros(texts())
    took = time.perf_counter() - started
    print(
        f"macros of {len(macros)} repositories ({size / 1e6:.1f} MB, unpacking included): {size / 1e6 / took:.1f} MB/s"
    )

    def names_in(file: File) -> list[str]:
        about = Provenance(repo="r", commit="c", path=file.path, license=None, first_line=1, last_line=1)
        found = extract_modules(decode(file.data), macros[file.repository.name], about)
        return [module.name for module in found if isinstance(module, RtlModule)]

    return names_in


def tree_sitter_reader(module: str) -> Callable[[File], list[str]]:
    import importlib

    from tree_sitter import Language, Parser, Query, QueryCursor

    language = Language(importlib.import_module(module).language())
    parser = Parser(language)
    query = Query(language, "(module_declaration) @module")

    def names_in(file: File) -> list[str]:
        tree = parser.parse(file.data)
        found = QueryCursor(query).captures(tree.root_node).get("module", [])
        names = []
        for node in found:
            if not node.has_error:
                text = node.text or b""
                names += [span.name for span in module_spans(text.decode(errors="replace"))[:1]]
        return names

    return names_in


def pyverilog_reader(repos: Path, work: Path) -> Callable[[File], list[str]]:
    """Each repository lies unpacked below ``work``, so that its includes are found."""
    from pyverilog.vparser.ast import ModuleDef
    from pyverilog.vparser.parser import VerilogCodeParser

    logging.disable(logging.CRITICAL)
    unpacked: set[str] = set()

    def unpack(repository: Repository) -> Path:
        root = work / repository.name.replace("/", "+")
        if repository.name not in unpacked:
            unpacked.add(repository.name)
            for path, data in read_sources(repos, repository):
                target = root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        return root

    def names_in(file: File) -> list[str]:
        root = work / file.repository.name.replace("/", "+")
        place = root / file.path
        output = str(work / "preprocessed")
        include = [str(place.parent), str(root)]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            parser = VerilogCodeParser(
                [str(place)], output, preprocess_include=include, outputdir=str(work), debug=False
            )
            tree = parser.parse(preprocess_output=output)
        return [item.name for item in tree.description.definitions if isinstance(item, ModuleDef)]

    names_in.unpack = unpack  # type: ignore[attr-defined]
    return names_in


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repos", type=Path)
    parser.add_argument("--mb", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = sample(options.repos, options.mb, options.seed)
    size = sum(len(file.data) for file in files) / 1e6
    print(f"{len(files)} files, {size:.2f} MB, {sum(len(file.names) for file in files)} modules, one core")
    rows: dict[str, Reading] = {}
    rows["ours (slang)"] = measure(files, ours(options.repos, files))
    for name in ("tree_sitter_systemverilog", "tree_sitter_verilog"):
        rows[name] = measure(files, tree_sitter_reader(name))
    with tempfile.TemporaryDirectory() as folder:
        reader = pyverilog_reader(options.repos, Path(folder))
        for file in files:
            reader.unpack(file.repository)  # type: ignore[attr-defined]
        here = Path.cwd()
        os.chdir(folder)
        try:
            rows["Pyverilog"] = measure(files, reader)
        finally:
            os.chdir(here)
    ours_speed = size / rows["ours (slang)"].seconds
    print(f"\n{'reader':28} {'seconds':>8} {'MB/s':>8} {'files read':>11} {'ours is':>9}")
    for name, reading in rows.items():
        speed = size / reading.seconds
        print(f"{name:28} {reading.seconds:8.2f} {speed:8.3f} {reading.read:11d} {ours_speed / speed:8.1f}x")


if __name__ == "__main__":
    main()
