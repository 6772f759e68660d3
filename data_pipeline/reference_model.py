"""What a draft's Python model says about its design, asked in the box where hostile code can do no harm.

Reads a model's source and input vectors; writes nothing. The contract for our own teachers: combinational
``def model(inputs: dict[str, int]) -> dict[str, int | None]``; with a clock ``class Model`` with
``step(self, inputs) -> outputs``, the outputs after each edge of the clock, resets among the inputs; None is a value
that the problem does not fix. Free-form functions are called where their parameters are the design's inputs.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_pipeline.rebuilt_bench import Interface
from hdl_sim.limits import Limits
from hdl_sim.python_box import run_python

MODEL_LIMITS = Limits(wall_s=120.0, cpu_s=10, memory_mb=512, output_kb=512)
_DRIVER = "model_driver.py"
_MOST_READINGS = 2
_OURS, _OURS_CLOCKED = re.compile(r"^def model\b", re.MULTILINE), re.compile(r"^class Model\b", re.MULTILINE)
_CODES = frozenset(["model-not-callable", "model-is-not-python", "model-crashes", "model-answers-badly"])


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a model gives no outputs.

    ``code``: ``model-not-callable`` (nothing in it takes the design's inputs), ``model-is-not-python``,
    ``model-crashes``, ``model-answers-badly`` or ``model-times-out``; ``what``: in a few words.
    """

    code: str
    what: str = ""


_SPOILED = Refusal("model-crashes", "it spoiled its answer")


def ask_model(
    source: str, interface: Interface, rows: Sequence[dict[str, int]], limits: Limits = MODEL_LIMITS
) -> list[list[list[int | None]]] | Refusal:
    """For each row of inputs a value for each output of the interface, or why there is none.

    A free-form model can often be read in two ways (lists of bits from either end); both are given, and a design that
    does all that one of them says is what the model describes. One in our form has one reading.

    Raises:
        ToolMissing: nothing on this machine can confine the model. ToolFailed: the box broke.
    """
    job = {
        "source": source.encode(errors="replace").decode(),
        "clocked": interface.clock is not None,
        "inputs": [(port.name, port.width) for port in interface.inputs],
        "outputs": [(port.name, port.width) for port in interface.outputs],
        "rows": [[f"{row[port.name]:x}" for port in interface.inputs] for row in rows],
    }
    said = _ask(job, limits)
    if isinstance(said, Refusal):
        return said
    widths = [port.width or 1 for port in interface.outputs]
    try:
        readings = [[_values(row, widths) for row in reading] for reading in said["readings"][: _MOST_READINGS + 1]]
    except (ValueError, TypeError, KeyError):
        return _SPOILED
    # A model that could name any number of tables would name the design's among them.
    if not 1 <= len(readings) <= _MOST_READINGS or any(len(reading) != len(rows) for reading in readings):
        return _SPOILED
    ours = _OURS_CLOCKED if interface.clock else _OURS
    return readings[:1] if ours.search(source) or readings[0] == readings[-1] else readings


def _values(row: Sequence[str | None], widths: Sequence[int]) -> list[int | None]:
    pairs = zip(row, widths, strict=True)
    return [None if value is None else int(value, 16) & ((1 << width) - 1) for value, width in pairs]


def files_of(source: str, names: Sequence[str], limits: Limits = MODEL_LIMITS) -> dict[str, str] | Refusal:
    """What a model that is run as a program writes into the files ``names``, which its testbench reads.

    Raises:
        ToolMissing, ToolFailed: as `ask_model`.
    """
    said = _ask({"source": source.encode(errors="replace").decode(), "files": list(names)}, limits)
    if isinstance(said, Refusal):
        return said
    files = said.get("files")
    if not isinstance(files, dict):
        return _SPOILED
    return {name: files[name] for name in names if isinstance(files.get(name), str)}


def _ask(job: dict[str, Any], limits: Limits) -> dict[str, Any] | Refusal:
    """The driver's answer; the model shares its process and may have written anything."""
    driver = Path(__file__).with_name(_DRIVER).read_text(encoding="utf-8")
    key = secrets.token_hex(8)
    done = run_python({_DRIVER: driver}, _DRIVER, json.dumps({**job, "key": key}), limits)
    if done.reason in ("wall_timeout", "cpu_timeout"):
        return Refusal("model-times-out", f"more than {limits.cpu_s} s")
    if done.reason != "exited":
        return Refusal("model-crashes", done.reason)
    try:
        [line] = [line for line in done.stdout.split("\n") if line.startswith(f"{key} ")]
        answer = json.loads(line.partition(" ")[2])
        if not isinstance(answer, dict):
            return _SPOILED
        if "failure" in answer:
            code, what = answer["failure"]
            words = " ".join(str(what).split())[:80]
            return Refusal(code, words) if code in _CODES else Refusal("model-crashes", words)
    except (ValueError, TypeError, RecursionError):
        return _SPOILED
    return answer
