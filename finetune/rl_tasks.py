"""Verified pairs become tasks for reinforcement learning, each with what a constant output earns on its testbench.

Reads pairs.jsonl; writes nothing: whoever calls records what is left out, and why.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.files import read_records
from autovcoder.records import Bench, VerifiedPair
from finetune.context import NO_CONTEXT, SampledContext, Solved, with_context
from finetune.rewards import LIMITS, Task, matched
from hdl_sim.connections import connections
from hdl_sim.simulator import Simulator, in_parallel
from hdl_sim.slang import Module, module_nodes, parse, read_source
from hdl_sim.statement import stated_interface
from hdl_sim.tokens import plain_lines

Drop = Callable[[str, str], None]
"""Told the id of a pair that is left out, and the reason."""
_DECLARING = ("PortDeclaration", "DataDeclaration", "NetDeclaration")
_KEPT = ("FunctionDeclaration", "ParameterDeclarationStatement", "TypedefDeclaration", "PackageImportDeclaration")
"""What of a module's body belongs to its interface, or may: kinds of syntax."""


def read_tasks(
    path: Path, seed: int, limit: int, simulator: Simulator, drop: Drop, context: SampledContext = NO_CONTEXT
) -> list[Task]:
    """Tasks of up to ``limit`` of the pairs in ``path``, drawn by ``seed``; no two have the same prompt.

    Args:
        context: what stands before the problems, none by default; it is drawn from all pairs.

    Raises:
        InputError: the file cannot be read, or a row is not a `VerifiedPair`.
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    pairs = list(read_records(path, VerifiedPair))
    drafts = (pair.draft for pair in pairs)
    solved = [Solved(draft.id, draft.topic, draft.problem, draft.code) for draft in drafts]
    asking = list(zip(with_context(solved, context, seed), pairs, strict=True))
    random.Random(seed).shuffle(asking)
    drawn: dict[str, VerifiedPair] = {}
    for asked, pair in asking:
        if len(drawn) == limit:
            break
        if asked in drawn:
            drop(pair.draft.id, "the same problem as another pair's")
        else:
            drawn[asked] = pair
    tasks = []
    with closing(in_parallel(lambda item: _task(*item, simulator), drawn.items())) as made:
        for pair, task in zip(drawn.values(), made, strict=True):
            if isinstance(task, Task):
                tasks.append(task)
            else:
                drop(pair.draft.id, task)
    return tasks


def constant_designs(code: str, name: str) -> list[str]:
    """``code`` with the module ``name`` emptied: its outputs undriven, always 0, and always 1.

    What its interface is made of (header, declarations, functions that widths may call) stays as it is written; what
    drives anything goes, initial values included. They need not compile. There is none where there is no such module,
    or macros hold what has to go.
    """
    code = plain_lines(code)
    module = read_source(code).module(name)
    if module is None:
        return []
    tree = parse(code)  # its nodes are good only as long as it is there
    node = next(one for one in module_nodes(tree) if one.header.name.valueText == name)
    end = node.endmodule.location
    cuts = [(one.sourceRange.start, one.sourceRange.end) for one in _driving(node)]
    if any(place.buffer != node.header.moduleKeyword.location.buffer for cut in (*cuts, (end,)) for place in cut):
        return []
    outputs = [port.name for port in module.ports if port.direction == "output"]
    # An escaped name ends with a space.
    names = [one if re.fullmatch(r"\w+", one) else f"\\{one} " for one in outputs]
    bodies = ["", *("".join(f"assign {one} = {value};\n" for one in names) for value in ("0", "-1"))]
    return [_edited(code, [(start.offset, stop.offset) for start, stop in cuts], end.offset, body) for body in bodies]


def _driving(module: Any) -> Iterator[Any]:
    """The parts of a module's syntax that give a value to anything."""
    declaring = [port for port in getattr(module.header.ports, "ports", ()) if hasattr(port, "declarator")]
    for member in module.members:
        if member.kind.name in _DECLARING:
            declaring.append(member)
        elif member.kind.name not in _KEPT:
            yield member
    for one in declaring:
        for declarator in [one.declarator] if hasattr(one, "declarator") else one.declarators:
            if getattr(declarator, "initializer", None) is not None:
                yield declarator.initializer


def _edited(code: str, cuts: Sequence[tuple[int, int]], at: int, added: str) -> str:
    """``code`` without the ``cuts``, and with ``added`` at ``at``, all in bytes of UTF-8."""
    text = code.encode()
    for start, stop, new in sorted([*((*cut, b"") for cut in cuts), (at, at, added.encode())], reverse=True):
        text = text[:start] + new + text[stop:]
    return text.decode()


def _task(prompt: str, pair: VerifiedPair, simulator: Simulator) -> Task | str:
    """The pair, asked so, as a task, or why it cannot be one."""
    draft = pair.draft
    module = _top(draft.code, draft.testbench)
    if module is None:
        return "its testbench instantiates no module of its design"
    try:
        constants = constant_designs(draft.code, module.name)
        verdicts = [simulator.run(design, draft.testbench, LIMITS) for design in constants]
        samples = draft.testbench.pass_rule.expected_samples
        if samples is None:
            samples = simulator.run(draft.code, draft.testbench, LIMITS).samples
    except InputError as error:
        return f"its testbench cannot be used: {error.what}"
    if any(verdict.passed for verdict in verdicts):
        # A comparison by != never fails on x: a module with nothing in it would earn the top.
        return "a design whose outputs are undriven or constant passes its testbench"
    if not verdicts or any(verdict.stage != "simulate" for verdict in verdicts):
        return "its testbench could not be tried with outputs that are undriven or constant"
    shares = [share for verdict in verdicts if (share := matched(verdict, samples)) is not None]
    return Task(
        id=draft.id,
        prompt=prompt,
        stated=stated_interface(draft.problem),
        module=module.name,
        ports=module.ports,
        bench=draft.testbench,
        samples=samples,
        baseline=max(shares, default=None),
    )


def _top(code: str, bench: Bench) -> Module | None:
    """The module of the reference that the testbench drives."""
    source = read_source(code)
    wanted = [bench.top] if bench.kind == "cocotb" else [one.module for one in connections(bench.sources.values())]
    return next((module for name in wanted if (module := source.module(name)) and module.ports), None)
