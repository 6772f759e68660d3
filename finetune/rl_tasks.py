"""Verified pairs become tasks for reinforcement learning, each with what a constant output earns on its testbench.

Reads pairs.jsonl; writes nothing: whoever calls records what is left out, and why.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from autovcoder.errors import InputError
from autovcoder.records import Bench, Verdict, VerifiedPair
from autovcoder.store import read_records
from finetune.rewards import LIMITS, Task
from hdl_sim.connections import connections
from hdl_sim.simulator import Simulator, in_parallel
from hdl_sim.slang import Module, read_source
from hdl_sim.statement import stated_interface

Drop = Callable[[str, str], None]
"""Told the id of a pair that is left out, and the reason."""


def read_tasks(path: Path, seed: int, limit: int, simulator: Simulator, drop: Drop) -> list[Task]:
    """Tasks of up to ``limit`` of the pairs in ``path``, drawn by ``seed``; no two have the same prompt.

    Raises:
        InputError: the file cannot be read, or a row is not a `VerifiedPair`.
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    pairs = list(read_records(path, VerifiedPair))
    random.Random(seed).shuffle(pairs)
    drawn: dict[str, VerifiedPair] = {}
    for pair in pairs:
        if len(drawn) == limit:
            break
        if pair.draft.problem in drawn:
            drop(pair.draft.id, "the same problem as another pair's")
        else:
            drawn[pair.draft.problem] = pair
    tasks = []
    with closing(in_parallel(lambda pair: _task(pair, simulator), drawn.values())) as made:
        for pair, task in zip(drawn.values(), made, strict=True):
            if isinstance(task, Task):
                tasks.append(task)
            else:
                drop(pair.draft.id, task)
    return tasks


def constant_designs(module: Module) -> list[str]:
    """Designs with the interface of ``module``, parameters included: outputs undriven, always 0, and always 1.

    They need not compile: a header may be of a form that this does not know.
    """
    # An escaped name ends with a space.
    names = {port.name: port.name if re.fullmatch(r"\w+", port.name) else f"\\{port.name} " for port in module.ports}
    outputs = [names[port.name] for port in module.ports if port.direction == "output"]
    if re.search(r"\b(?:input|output)\b", module.header):
        header = re.sub(r"\breg\b", "", module.header)
    else:  # the ports are declared behind the header
        widths = ((port, f"[{(port.width or 1) - 1}:0]") for port in module.ports)
        listed = ", ".join(f"{port.direction} {width} {names[port.name]}" for port, width in widths)
        header = f"module {module.name} ({listed});"
    bodies = ["", *("".join(f"assign {name} = {value};\n" for name in outputs) for value in ("0", "-1"))]
    return [f"{header}\n{body}endmodule\n" for body in bodies]


def _task(pair: VerifiedPair, simulator: Simulator) -> Task | str:
    """The pair as a task, or why it cannot be one."""
    draft = pair.draft
    module = _top(draft.code, draft.testbench)
    if module is None:
        return "its testbench instantiates no module of its design"
    try:
        verdicts = [simulator.run(design, draft.testbench, LIMITS) for design in constant_designs(module)]
    except InputError as error:
        return f"its testbench cannot be used: {error.what}"
    if any(verdict.passed for verdict in verdicts):
        # A comparison by != never fails on x: a module with nothing in it would earn the top.
        return "a design whose outputs are undriven or constant passes its testbench"
    return Task(
        id=draft.id,
        prompt=draft.problem,
        stated=stated_interface(draft.problem),
        module=module.name,
        ports=module.ports,
        bench=draft.testbench,
        baseline=max((share for verdict in verdicts if (share := _share(verdict)) is not None), default=None),
    )


def _top(code: str, bench: Bench) -> Module | None:
    """The module of the reference that the testbench drives."""
    source = read_source(code)
    wanted = [bench.top] if bench.kind == "cocotb" else [one.module for one in connections(bench.sources.values())]
    return next((module for name in wanted if (module := source.module(name)) and module.ports), None)


def _share(verdict: Verdict) -> float | None:
    """Of the samples that match; None where the bench counts none."""
    if verdict.status != "mismatch" or verdict.mismatches is None or not verdict.samples:
        return None
    return (verdict.samples - verdict.mismatches) / verdict.samples
