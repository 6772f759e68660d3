"""Benchmarks as lists of Problem records, so that every benchmark is scored by the same code.

Reads a benchmark's own files from the user's folder (no benchmark of others is shipped here), or problems.jsonl; writes
problems.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from autovcoder.errors import InputError
from autovcoder.files import read_records, write_jsonl
from autovcoder.records import Problem, content_id
from eval.suites import folder, rtllm, verilogeval
from eval.suites.files import find_file

PROBLEMS = "problems.jsonl"
BUILTIN = Path(__file__).parents[1] / "builtin"


class Suite(NamedTuple):
    """A benchmark: how it is read, what it is, and what ``--data`` must hold (empty where it takes none)."""

    load: Callable[[Path], list[Problem]]
    about: str
    data: str


def load_suite(name: str, data: Path | None) -> list[Problem]:
    """The problems of a suite, in its own order.

    Args:
        name: a key of ``SUITES``.
        data: the folder (for ``problems`` also the file) that holds the suite's files; None for ``builtin``.

    Raises:
        InputError: no such suite, or its files are missing or damaged.
    """
    suite = SUITES.get(name)
    if suite is None:
        raise InputError("unknown suite", where=name, fix=f"known: {', '.join(SUITES)}")
    if not suite.data:
        if data is not None:
            raise InputError("this suite comes with the package", where=name, fix="leave --data out")
        data = BUILTIN
    if data is None:
        raise InputError("this suite reads your copy of its files", where=name, fix="name their folder with --data")
    problems = suite.load(Path(data))
    if not problems:
        raise InputError("the suite holds no problems", where=data)
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise InputError("two problems have the same id", where=f"{data}: {problem.id}")
        seen.add(problem.id)
    return problems


def suite_hash(problems: Sequence[Problem]) -> str:
    """The sha256 of the problems' content, whatever their order: what was scored, to the byte.

    Fields that have their defaults are left out, so that a record which gains a field keeps its hash.
    """
    return content_id(
        *sorted(content_id(problem.model_dump(mode="json", exclude_defaults=True)) for problem in problems)
    )


def write_problems(problems: Sequence[Problem], folder: Path) -> Path:
    """Write a suite as ``folder/problems.jsonl``, the form that decontamination and the suite ``problems`` read.

    Raises:
        StoreError: the file cannot be written.
    """
    path = Path(folder) / PROBLEMS
    write_jsonl(path, problems)
    return path


def _problems(data: Path) -> list[Problem]:
    return list(read_records(find_file(PROBLEMS, data) if data.is_dir() else data, Problem))


SUITES: dict[str, Suite] = {
    "verilogeval-v1-human": Suite(
        verilogeval.v1("Human"),
        "VerilogEval v1, problems described by people",
        "a checkout of NVlabs/verilog-eval 1.0.0, or VerilogEval_Human.jsonl and VerilogDescription_Human.jsonl",
    ),
    "verilogeval-v1-machine": Suite(
        verilogeval.v1("Machine"),
        "VerilogEval v1, problems described by a language model",
        "the same checkout, or VerilogEval_Machine.jsonl and VerilogDescription_Machine.jsonl",
    ),
    "verilogeval-v2-spec-to-rtl": Suite(
        verilogeval.v2_spec_to_rtl,
        "VerilogEval v2, a whole module from a text that lists its ports",
        "a checkout of NVlabs/verilog-eval, or its dataset_spec-to-rtl",
    ),
    "verilogeval-v2-code-complete": Suite(
        verilogeval.v2_code_complete,
        "VerilogEval v2, the body of a module whose header is given",
        "a checkout of NVlabs/verilog-eval, or its dataset_code-complete-iccad2023",
    ),
    "rtllm-v1.1": Suite(rtllm.v1_1, "RTLLM v1.1, 29 designs", "a checkout of hkust-zhiyao/RTLLM, branch v1.1"),
    "rtllm-v2.0": Suite(rtllm.v2_0, "RTLLM v2.0, 50 designs", "a checkout of hkust-zhiyao/RTLLM, version 2.0"),
    "builtin": Suite(folder.loader("builtin"), "60 problems of our own, Verilog and cocotb benches", ""),
    "folder": Suite(folder.loader("folder"), "problems of your own, a YAML file each", "the folder of the YAML files"),
    "problems": Suite(_problems, "problems as records", "a folder with problems.jsonl, or such a file"),
}
