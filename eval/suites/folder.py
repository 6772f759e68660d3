"""Problems of one's own: a YAML file each, with the files that it names beside it.

Reads the YAML files of a folder, at any depth, and what they name; writes nothing. The suite that comes with the
package is in this form too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from autovcoder.config import Settings, load_settings
from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule, Problem, Size
from eval.suites.files import read_text
from hdl_sim.slang import read_source
from hdl_sim.statement import stated_interface
from hdl_sim.testbench import top_module

_VERILOG = (".v", ".sv")
_COMPANIONS = (".vh", ".svh", ".py")


class ProblemFile(Settings):
    """One problem as its YAML file puts it; paths are relative to that file.

    Attributes:
        spec: the words put to a model.
        testbench: Verilog files (headers too), or Python files with a cocotb ``test_*.py``.
        id: by default the file's name, or its folder's when it is named ``problem.yaml``.
        category: groups problems in the report.
        size: of the design: small, medium or large.
        header: the module header that an answer must have, from ``module`` to ``;``.
        reference: a design that passes.
        data: files that the bench reads while it runs.
        top: the testbench's top module, found when not given; with cocotb the design's, by default the header's.
        pass_line: a regular expression; the bench passes by printing one line that matches, and ends by ``$finish``.
            Without it a Verilog bench prints ``Mismatches: M in N samples``.
        fail_line: of a bench with a pass line, what it prints when the design is wrong.
    """

    spec: str
    testbench: str | tuple[str, ...]
    id: str | None = None
    category: str = "own"
    size: Size | None = None
    header: str | None = None
    reference: str | None = None
    data: tuple[str, ...] = ()
    top: str | None = None
    pass_line: str | None = None
    fail_line: str | None = None


def loader(suite: str) -> Callable[[Path], list[Problem]]:
    """The loader of a folder of problems, which calls them problems of ``suite``."""

    def load(data: Path) -> list[Problem]:
        files = sorted(path for path in data.rglob("*") if path.suffix in (".yaml", ".yml"))
        if not files:
            raise InputError("the folder holds no problem", where=data, fix="expected a YAML file for each problem")
        return [_problem(file, data, suite) for file in files]

    return load


def _problem(file: Path, folder: Path, suite: str) -> Problem:
    given = load_settings(ProblemFile, _inside(file.name, file, folder))
    named = (given.testbench,) if isinstance(given.testbench, str) else given.testbench
    sources = _texts(named, file, folder)
    header = given.header.strip() if given.header else None
    return Problem(
        id=given.id or (file.parent.name if file.stem == "problem" else file.stem),
        suite=suite,
        category=given.category,
        spec=given.spec.strip(),
        interface=header,
        bench=_bench(given, sources, _texts(given.data, file, folder), header, file),
        reference=read_text(_inside(given.reference, file, folder)) if given.reference else None,
        size=given.size,
    )


def _bench(given: ProblemFile, sources: dict[str, str], data: dict[str, str], header: str | None, file: Path) -> Bench:
    design = _header_name(header, file)
    other = [name for name in sources if not name.endswith((*_VERILOG, *_COMPANIONS))]
    if other:
        raise InputError("not a Verilog or Python file", where=f"{file}: testbench: {other[0]}", fix="or is it data?")
    if sources.keys() & data.keys():
        raise InputError(
            "a file is both testbench and data", where=f"{file}: {', '.join(sources.keys() & data.keys())}"
        )
    if any(name.endswith(".py") for name in sources):
        if given.pass_line or given.fail_line:
            raise InputError(
                "a cocotb test decides by its asserts", where=file, fix="leave pass_line and fail_line out"
            )
        if not any(name.startswith("test_") and name.endswith(".py") for name in sources):
            raise InputError("a cocotb testbench needs a test_*.py", where=file)
        top = given.top or design
        if top is None:
            raise InputError("a cocotb test needs the design's name", where=file, fix="give 'header' or 'top'")
        rule = PassRule(kind="cocotb_results")
        return Bench(kind="cocotb", sources=sources, data_files=data, top=top, pass_rule=rule)
    return Bench(
        kind="verilog",
        sources=sources,
        data_files=data,
        top=given.top or _top(sources, file),
        pass_rule=_rule(given, file),
    )


def _rule(given: ProblemFile, file: Path) -> PassRule:
    for pattern in filter(None, (given.pass_line, given.fail_line)):
        try:
            re.compile(pattern)
        except re.error as error:
            raise InputError("not a regular expression", where=f"{file}: {pattern}", fix=str(error)) from None
    if given.pass_line is not None:
        return PassRule(kind="pass_line", pattern=given.pass_line, fail_pattern=given.fail_line)
    if given.fail_line is not None:
        raise InputError("fail_line goes with pass_line", where=file)
    return PassRule(kind="mismatch_count")


def _top(sources: dict[str, str], file: Path) -> str:
    verilog = "\n".join(text for name, text in sources.items() if name.endswith(_VERILOG))
    return top_module(read_source(verilog, elaborate=False), str(file))


def _header_name(header: str | None, file: Path) -> str | None:
    if header is None:
        return None
    try:
        return stated_interface("", header).name
    except InputError as error:
        raise InputError(error.what, where=f"{file}: header", fix=error.fix) from None


def _texts(names: Sequence[str], file: Path, folder: Path) -> dict[str, str]:
    """File name to text. A simulation has one folder, so that two files of one name cannot both be there."""
    texts: dict[str, str] = {}
    for name in names:
        path = _inside(name, file, folder)
        if path.name in texts:
            raise InputError("two files of one name", where=f"{file}: {name}")
        texts[path.name] = read_text(path)
    return texts


def _inside(name: str, file: Path, folder: Path) -> Path:
    """The file that ``name`` means beside ``file``.

    Raises:
        InputError: it lies outside the suite's folder, also by a link: a suite from elsewhere must not pick up files.
    """
    if "\0" in name or Path(name).is_absolute():
        raise InputError("not a path within the suite's folder", where=f"{file}: {name!r}")
    path = (file.parent / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError("a path leaves the suite's folder", where=f"{file}: {name}", fix="copy the file into it")
    return path
