"""What `generate-verilog` is given: the specification, and the testbenches in Verilog and in Python.

Reads an argument, files and stdin; writes nothing. Everything that can be wrong with them is said before a model is
loaded.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autovcoder.errors import InputError, ToolMissing
from autovcoder.records import MAX_PATTERN

if TYPE_CHECKING:
    from autovcoder.records import Bench

# Files beside a testbench that its text names, such as the argument of $readmemh.
_VERILOG_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.s?v")
_QUOTED_NAME = re.compile(r"[\"']([A-Za-z0-9_][A-Za-z0-9_.-]*)[\"']")
_TEST_NAME = re.compile(r"test_\w+\.py", re.ASCII)
# Names, of decorators and of calls, that make a cocotb test.
_MAKES_TESTS = frozenset({"test", "parametrize", "TestFactory"})


def read_spec(spec: str | None, file: Path | None) -> str:
    """The specification from the argument, the file or stdin.

    Raises:
        typer.BadParameter: there is none, or two. InputError: it is empty, or cannot be read.
    """
    if spec is not None and file is not None:
        raise typer.BadParameter("give the specification as an argument or with --spec-file, not both")
    if file is not None:
        text = read_text(file, "specification")
    elif spec is not None and spec != "-":
        text = spec
    elif sys.stdin is None or (spec is None and sys.stdin.isatty()):
        raise typer.BadParameter("say what the module shall do, as an argument, with --spec-file, or on stdin")
    else:
        text = _read_stdin()
    if not text.strip():
        raise InputError("the specification is empty", fix="say in words what the module shall do")
    return text


def _read_stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise InputError("the specification is not text in UTF-8", where="stdin") from None


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Raises:
        InputError: it cannot be read; says ``what`` it is.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the {what}", where=path, fix=error.strerror or "") from None
    except UnicodeDecodeError:
        raise InputError(f"the {what} is not text in UTF-8", where=path) from None


def is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return len(text) <= MAX_PATTERN


def read_bench(path: Path, pass_line: str | None) -> Bench:
    """A testbench in Verilog, with the files beside it that it names.

    Raises:
        InputError: a file cannot be read, or the text is no testbench.
    """
    from hdl_sim.testbench import bench_from_text, strip_dumps

    text = read_text(path, "testbench")
    name = path.name if _VERILOG_NAME.fullmatch(path.name) else "testbench.sv"
    bench = bench_from_text(text, pass_line=pass_line, file_name=name)
    return bench.model_copy(update={"data_files": _named_beside(path, [strip_dumps(text)])})


def read_cocotb(path: Path, top: str | None) -> Bench:
    """A cocotb test, with the modules beside it that it imports, and the files that it names.

    Args:
        top: the module that is tested; None where each design's own is.

    Raises:
        InputError: it cannot be read, is not named ``test_*.py``, is not Python, or has no test.
        ToolMissing: cocotb is not installed.
    """
    from importlib.util import find_spec

    from autovcoder.records import Bench, PassRule
    from hdl_sim.cocotb_bench import cocotb_files

    if not _TEST_NAME.fullmatch(path.name):
        raise InputError("not a name of a cocotb test", where=path, fix="call it test_NAME.py")
    trees: dict[str, ast.Module] = {}
    sources = _python_files(path, trees)
    if not any(_makes_tests(tree) for tree in trees.values()):
        raise InputError("there is no cocotb test", where=path, fix="put @cocotb.test() before a coroutine")
    if find_spec("cocotb") is None:
        raise ToolMissing("cocotb is not installed", fix="pip install cocotb")
    data = {name: text for name, text in _named_beside(path, list(sources.values())).items() if name not in sources}
    rule = PassRule(kind="cocotb_results")
    bench = Bench(kind="cocotb", sources=sources, data_files=data, top=top or "", pass_rule=rule)
    cocotb_files(bench)  # refuses names that the run cannot take
    return bench


def _python_files(path: Path, trees: dict[str, ast.Module]) -> dict[str, str]:
    """The test and what it imports from beside it, name to text; their trees go into ``trees``."""
    found: dict[str, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file.name in found:
            continue
        text = read_text(file, "cocotb test")
        try:
            trees[file.name] = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            said = error.msg if isinstance(error, SyntaxError) else str(error)
            raise InputError("the cocotb test is not Python", where=f"{file}{line}", fix=said) from None
        found[file.name] = text
        beside = (path.parent / f"{name}.py" for name in _imports(trees[file.name]))
        waiting += [module for module in beside if module.is_file()]
    return found


def _imports(tree: ast.Module) -> set[str]:
    """The first names of all modules that are imported absolutely."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _makes_tests(tree: ast.Module) -> bool:
    made = (
        decorator
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for decorator in node.decorator_list
    )
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(_last_name(node) in _MAKES_TESTS for node in (*made, *calls))


def _last_name(node: ast.expr) -> str:
    while isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _named_beside(path: Path, texts: list[str]) -> dict[str, str]:
    """The files beside ``path`` that the texts name in quotes, name to text."""
    names = {name for text in texts for name in _QUOTED_NAME.findall(text) if name != path.name}
    beside = ((name, path.parent / name) for name in sorted(names))
    return {name: read_text(file, "testbench's data file") for name, file in beside if file.is_file()}
