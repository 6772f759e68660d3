"""RTLLM, versions 1.1 and 2.0, from the user's copy (hkust-zhiyao/RTLLM; Lu et al., ASP-DAC 2024).

Reads a design's design_description.txt, testbench.v, verified_*.v and data files; writes nothing.
"""

from __future__ import annotations

from pathlib import Path

from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule, Problem
from eval.suites.files import read_text
from hdl_sim.connections import connections
from hdl_sim.rename import rename_module
from hdl_sim.rules import RTLLM_SUCCESS_LINE
from hdl_sim.slang import read_source
from hdl_sim.testbench import top_module
from hdl_sim.tokens import tokens

_DESCRIPTION, _BENCH = "design_description.txt", "testbench.v"
# How the benches say that a design failed, each in words of its own.
_FAIL_LINE = r"(?i)\b(?:errors?|failed|failures)\b"
_DATA_SUFFIXES = frozenset({".txt", ".dat", ".mem", ".hex"})


def v1_1(data: Path) -> list[Problem]:
    """Version 1.1: a folder for each design; its README knows no groups."""
    return [_problem(text, "rtllm-v1.1", "rtllm") for text in _descriptions(data, depth=1)]


def v2_0(data: Path) -> list[Problem]:
    """Version 2.0: the designs lie in groups (Arithmetic, Control, Memory, Miscellaneous) of smaller groups."""
    return [
        _problem(text, "rtllm-v2.0", text.relative_to(data).parts[0].lower()) for text in _descriptions(data, depth=3)
    ]


def _descriptions(data: Path, *, depth: int) -> list[Path]:
    found = sorted(data.glob("*/" * depth + _DESCRIPTION))
    if not found:
        fix = f"expected {'/'.join(['*'] * depth)}/{_DESCRIPTION} in it; is it another version?"
        raise InputError("the suite holds no problems", where=data, fix=fix)
    return found


def _problem(description: Path, suite: str, category: str) -> Problem:
    folder = description.parent
    text = read_text(folder / _BENCH)
    wanted = {connection.module for connection in connections([text])}
    if len(wanted) != 1:
        names = ", ".join(sorted(wanted)) or "none"
        raise InputError("the testbench must instantiate one design", where=folder / _BENCH, fix=f"found: {names}")
    # Three benches never call $finish: they end when nothing is left to do.
    finishes = any(token.text == "$finish" for token in tokens(text))
    return Problem(
        id=folder.name,
        suite=suite,
        category=category,
        spec=read_text(description).strip(),
        bench=Bench(
            kind="verilog",
            sources={_BENCH: text},
            data_files=_data_files(folder),
            top=top_module(read_source(text, elaborate=False), str(folder / _BENCH)),
            pass_rule=PassRule(
                kind="pass_line", pattern=RTLLM_SUCCESS_LINE, fail_pattern=_FAIL_LINE, needs_finish=finishes
            ),
        ),
        reference=_reference(folder, wanted.pop()),
    )


def _data_files(folder: Path) -> dict[str, str]:
    """What a bench reads at run time lies beside it."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in _DATA_SUFFIXES and path.name != _DESCRIPTION)
    return {path.name: read_text(path) for path in paths}


def _reference(folder: Path, wanted: str) -> str:
    """The designers' module under the name that the bench instantiates: most are named ``verified_X`` for ``X``."""
    paths = sorted(folder.glob("verified_*.v"))
    if len(paths) != 1:
        raise InputError("expected one verified_*.v beside the testbench", where=folder, fix=f"found {len(paths)}")
    code = read_text(paths[0])
    modules = read_source(code, elaborate=False).modules
    names = {module.name for module in modules}
    if wanted in names:
        return code
    tops = names - {name for module in modules for name in module.instances}
    if len(tops) != 1:
        found = ", ".join(sorted(tops)) or "no module"
        raise InputError("the reference must have one top module", where=paths[0], fix=f"found: {found}")
    return rename_module(code, tops.pop(), wanted)
