"""Runs inside the box, beside a draft's Python model: finds what in it can be called, and asks it for outputs.

Reads one JSON job from stdin; writes one JSON answer to stdout, on a line that begins with the job's key, which no
print of the model has. Standard library alone, because this text is copied into the box; nothing of ours imports it.
What it answers is the model's word and is believed of nothing but the model's own draft.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# How a free-form function may want inputs of several bits (as numbers, as lists of bits from either end, as texts of
# bits), and whether its own lists of bits count from the lowest. The next group is tried where one gives nothing.
FORMS = (
    (("number", True), ("number", False)),
    (("lowest first", True), ("highest first", False)),
    (("text", False),),
)
_FILE_CHARS = 60_000


class Failure(Exception):
    """The model cannot be used; a stable code, and a few words."""

    def __init__(self, code: str, what: str = "") -> None:
        super().__init__(code, what)
        self.code, self.what = code, what


class _Nowhere(io.TextIOBase):
    """Takes what the model prints."""

    def write(self, text: str) -> int:
        return len(text)


def main() -> None:
    job = json.load(sys.stdin)
    key = job.pop("key")
    printed, sys.stdout, sys.stderr = sys.stdout, _Nowhere(), _Nowhere()
    try:
        answer: dict[str, Any] = {"files": files(job)} if "files" in job else {"readings": run(job)}
    except Failure as failure:
        answer = {"failure": [failure.code, failure.what]}
    printed.write(f"\n{key} {json.dumps(answer)}\n")
    printed.flush()


def run(job: Mapping[str, Any]) -> list[list[list[str | None]]]:
    """What the model says for each row of inputs, as hexadecimal in the order of the ports; None is not determined.

    A model in a form of its own may be read in two ways; what each of them gives, without doubles.
    """
    space = _load(job["source"])
    rows = [
        dict(zip([name for name, _ in job["inputs"]], (int(value, 16) for value in row), strict=True))
        for row in job["rows"]
    ]
    ours = _contract(space, job)
    if ours is not None:
        call, mapping = ours
        try:
            return [[_read_row(_guard(call, dict(row)), job["outputs"], ours=True) for row in rows]]
        except Failure:
            if mapping:
                raise
    readings = _free_readings(space, job, rows)
    return readings[:1] if ("Model" if job["clocked"] else "model") in space else readings


def _free_readings(
    space: Mapping[str, Any], job: Mapping[str, Any], rows: Sequence[Mapping[str, int]]
) -> list[list[list[str | None]]]:
    """The readings of the first forms that the function takes. Always one answer is what a number makes of a test for a
    text, and no reading as long as another form gives more.
    """
    failures: list[Failure] = []
    constant: list[list[list[str | None]]] = []
    for group in FORMS:
        readings: list[list[list[str | None]]] = []
        for encoding, lowest_first in group:
            try:
                call = _free(space, job, encoding)
                found = [_read_row(_guard(call, row), job["outputs"], lowest_first=lowest_first) for row in rows]
            except Failure as failure:
                failures.append(failure)
                continue
            if all(row == found[0] for row in found):
                constant.append(found)
            elif found not in readings:
                readings.append(found)
        if readings:
            return readings
    if not constant:
        raise failures[0]
    return constant[:1]


def files(job: Mapping[str, Any]) -> dict[str, str]:
    """What the model writes when it is run as a program: of the files asked for, those that it wrote."""
    _execute(_parse(job["source"]), "__main__")
    found = {}
    for name in job["files"]:
        try:
            with Path(name).open(encoding="utf-8", errors="replace") as file:
                found[name] = file.read(_FILE_CHARS)
        except OSError:
            continue
    return found


def _load(source: str) -> dict[str, Any]:
    tree = _parse(source)
    if not any(isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign)) for node in tree.body):
        raise Failure("model-not-callable", "it defines nothing")
    return _execute(tree, "reference_model")


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Failure("model-is-not-python") from None


def _execute(tree: ast.Module, name: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": name}
    try:
        exec(compile(tree, "model.py", "exec"), space)  # noqa: S102 - this is what the box is for
    except BaseException as error:
        raise Failure("model-crashes", type(error).__name__) from None
    return space


def _contract(space: Mapping[str, Any], job: Mapping[str, Any]) -> tuple[Callable[[Any], Any], bool] | None:
    """What takes and gives a mapping by the names of the ports, and whether it can be nothing else."""
    if job["clocked"]:
        kind = space.get("Model")
        if not inspect.isclass(kind) or not hasattr(kind, "step"):
            return None
        step: Callable[[Any], Any] = _guard(kind).step
        return step, True
    model = space.get("model")
    if not callable(model) or len(_parameters(model)) != 1:
        return None
    # A function of one port that has the parameter's name takes a number, not a mapping.
    return model, [name.lower() for name in _parameters(model)] != [name.lower() for name, _ in job["inputs"]]


def _free(space: Mapping[str, Any], job: Mapping[str, Any], encoding: str) -> Callable[[Mapping[str, int]], Any]:
    """A function, or a method of one class where the design has a clock, whose parameters are the inputs."""
    widths = dict(job["inputs"])
    function = _bound_method(space, list(widths)) if job["clocked"] else _bound_function(space, list(widths))
    names = _parameters(function)
    by_name = {name.lower(): name for name in widths}
    order = [by_name.get(name.lower(), "") for name in names]
    if set(order) != set(widths):
        order = list(widths)

    def call(row: Mapping[str, int]) -> Any:
        return function(*(_encode(row[name], widths[name], encoding) for name in order))

    return call


def _bound_function(space: Mapping[str, Any], inputs: Sequence[str]) -> Callable[..., Any]:
    found = [f for name, f in space.items() if inspect.isfunction(f) and name != "main" and not name.startswith("_")]
    wanted = {name.lower() for name in inputs}
    named = [f for f in found if {name.lower() for name in _parameters(f)} == wanted]
    counted = [f for f in found if len(_parameters(f)) == len(inputs)]
    if len(named) == 1:
        return named[0]
    if len(found) == 1 and len(counted) == 1:
        return counted[0]
    raise Failure("model-not-callable", "no function takes the design's inputs")


def _bound_method(space: Mapping[str, Any], inputs: Sequence[str]) -> Callable[..., Any]:
    kinds = [kind for kind in space.values() if inspect.isclass(kind) and kind.__module__ == "reference_model"]
    if len(kinds) != 1:
        raise Failure("model-not-callable", "no class steps through cycles")
    try:
        instance = kinds[0]()
    except TypeError:
        raise Failure("model-not-callable", "its class wants arguments") from None
    except BaseException as error:
        raise Failure("model-crashes", type(error).__name__) from None
    wanted = {name.lower() for name in inputs}
    methods: list[Callable[..., Any]] = [getattr(instance, n) for n in dir(instance) if not n.startswith("_")]
    methods = [m for m in methods if inspect.ismethod(m) and {name.lower() for name in _parameters(m)} == wanted]
    if len(methods) != 1:
        raise Failure("model-not-callable", "no method takes the design's inputs of one cycle")
    return methods[0]


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The parameters that a call must give."""
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]


def _guard(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except Failure:
        raise
    except BaseException as error:
        raise Failure("model-crashes", type(error).__name__) from None


def _encode(value: int, width: int, encoding: str) -> Any:
    if encoding == "number" or width == 1:  # a text or a list is true whatever its bit
        return value
    text = f"{value:0{width}b}"
    if encoding == "text":
        return text
    bits = [int(bit) for bit in text]
    return bits[::-1] if encoding == "lowest first" else bits


def _read_row(
    answer: Any, outputs: Sequence[Sequence[Any]], *, ours: bool = False, lowest_first: bool = True
) -> list[str | None]:
    values = _by_port(answer, outputs, ours=ours)
    return [
        _read(value, width, ours=ours, lowest_first=lowest_first)
        for value, (_, width) in zip(values, outputs, strict=True)
    ]


def _by_port(answer: Any, outputs: Sequence[Sequence[Any]], *, ours: bool) -> list[Any]:
    code = "model-answers-badly" if ours else "model-not-callable"
    names = [name for name, _ in outputs]
    if isinstance(answer, Mapping):
        lower = {str(key).lower(): value for key, value in answer.items()}
        if any(name.lower() not in lower for name in names):
            raise Failure(code, "an output is missing in its answer")
        return [answer[name] if name in answer else lower[name.lower()] for name in names]
    if ours:
        raise Failure(code, "its answer is no mapping")
    if len(names) == 1:
        return [answer[0] if isinstance(answer, (tuple, list)) and len(answer) == 1 else answer]
    if not isinstance(answer, (tuple, list)) or len(answer) != len(names):
        raise Failure(code, "its answer is not one value for each output")
    return list(answer)


def _read(value: Any, width: int, *, ours: bool, lowest_first: bool) -> str | None:
    """A value as hexadecimal, cut to the port's width as Verilog cuts it."""
    if value is None and ours:
        return None
    if isinstance(value, str) and not ours:
        bits = value.removeprefix("0b").lower()
        if bits and not bits.strip("xz"):
            return None
        value = [int(bit) if bit in "01" else bit for bit in bits]
    elif isinstance(value, (list, tuple)) and lowest_first:
        value = list(value)[::-1]
    if isinstance(value, list) and not ours:
        if len(value) != width or any(bit not in (0, 1) for bit in value):
            raise Failure("model-not-callable", "a value of its answer is no bits of the port's width")
        value = int("".join(str(int(bit)) for bit in value), 2)
    try:
        number = _number_of(value)
    except (TypeError, ValueError, OverflowError):
        code = "model-answers-badly" if ours else "model-not-callable"
        raise Failure(code, f"a value of its answer is a {type(value).__name__}"[:60]) from None
    return f"{number & ((1 << width) - 1):x}"


def _number_of(value: Any) -> int:
    if isinstance(value, str) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("no whole number")
    return int(value)


if __name__ == "__main__":
    main()
