"""Benchmarks as lists of Problem records, so that every benchmark is scored by the same code.

Reads a benchmark's own files from the user's folder (no benchmark is shipped here), or problems.jsonl; writes
problems.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule, Problem, content_id
from autovcoder.store import read_jsonl, read_records, write_jsonl

PROBLEMS = "problems.jsonl"


def load_suite(name: str, data: Path | None) -> list[Problem]:
    """The problems of a suite, in its own order.

    Args:
        name: a key of ``SUITES``.
        data: the folder (for ``problems`` also the file) that holds the suite's files.

    Raises:
        InputError: no such suite, or its files are missing or damaged.
    """
    loader = SUITES.get(name)
    if loader is None:
        raise InputError("unknown suite", where=name, fix=f"known: {', '.join(SUITES)}")
    if data is None:
        raise InputError("this suite reads your copy of its files", where=name, fix="name their folder with --data")
    problems = loader(Path(data))
    if not problems:
        raise InputError("the suite holds no problems", where=data)
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise InputError("two problems have the same id", where=f"{data}: {problem.id}")
        seen.add(problem.id)
    return problems


def suite_hash(problems: Sequence[Problem]) -> str:
    """The sha256 of the problems' content, whatever their order: what was scored, to the byte."""
    return content_id(*sorted(content_id(problem.model_dump(mode="json")) for problem in problems))


def write_problems(problems: Sequence[Problem], folder: Path) -> Path:
    """Write a suite as ``folder/problems.jsonl``, the form that decontamination and the suite ``problems`` read.

    Raises:
        StoreError: the file cannot be written.
    """
    path = Path(folder) / PROBLEMS
    write_jsonl(path, problems)
    return path


def _verilogeval_v1(part: str) -> Callable[[Path], list[Problem]]:
    """The loader of VerilogEval v1 (Liu et al., 2023, https://github.com/NVlabs/verilog-eval, release 1.0.0).

    The official candidate is the prompt's module header with the completion behind it; so is the reference here. An
    answer that brings its own header is used as it is.
    """

    def load(data: Path) -> list[Problem]:
        tasks = _file(data, f"VerilogEval_{part}.jsonl")
        texts = _file(data, f"VerilogDescription_{part}.jsonl")
        spec = {row["task_id"]: row["detail_description"] for row in _rows(texts, "task_id", "detail_description")}
        problems = []
        for row in _rows(tasks, "task_id", "prompt", "canonical_solution", "test"):
            if row["task_id"] not in spec:
                raise InputError("no description of a problem", where=f"{texts}: {row['task_id']}")
            problems.append(
                Problem(
                    id=row["task_id"],
                    suite=f"verilogeval-v1-{part.lower()}",
                    category=part.lower(),
                    spec=spec[row["task_id"]],
                    interface=row["prompt"].strip(),
                    bench=Bench(
                        kind="verilog",
                        sources={"tb.sv": row["test"]},
                        top="tb",
                        pass_rule=PassRule(kind="mismatch_count"),
                    ),
                    reference=row["prompt"] + row["canonical_solution"],
                )
            )
        return problems

    return load


def _problems(data: Path) -> list[Problem]:
    return list(read_records(_file(data, PROBLEMS) if data.is_dir() else data, Problem))


SUITES: dict[str, Callable[[Path], list[Problem]]] = {
    "verilogeval-v1-human": _verilogeval_v1("Human"),
    "verilogeval-v1-machine": _verilogeval_v1("Machine"),
    "problems": _problems,
}


def _file(folder: Path, name: str) -> Path:
    """``folder/name``, gzipped or not."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError("a file of the suite is missing", where=folder, fix=f"expected {name} or {name}.gz in it")


def _rows(path: Path, *keys: str) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, each with these keys as text; others are passed over."""
    for number, row in enumerate(read_jsonl(path), start=1):
        for key in keys:
            if not isinstance(row.get(key), str):
                raise InputError(f"expected a text under '{key}'", where=f"{path}, row {number}")
        yield row
