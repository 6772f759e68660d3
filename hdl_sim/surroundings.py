"""What a design meets in its testbench: names that it must not use, and nets that it must not drive.

Reads a `Bench`; writes nothing. What the front end cannot read of a testbench is not known here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from autovcoder.records import Bench

# A driver that can let go of its net, so that others may drive it in turn.
_LETS_GO = re.compile(r"'[sS]?[bBoOdDhH]?[zZ?]|\d'[sS]?[bBoOhH][zZ?]|\b(?:buf|not)if[01]\b|\btran")
_SCOPES = ("InstanceName", "NamedBlockClause", "NamedLabel")
_ROUTINES = ("FunctionDeclaration", "TaskDeclaration")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A testbench as its design sees it.

    Attributes:
        modules: names of its modules. ``scopes``: these and the names of instances, blocks, tasks and functions.
        driven: module that it instantiates but does not define, to the ports whose nets it drives itself: their names,
            and their places where it connects by place.
        lets_go: some driver in it can be high-impedance, so that a port for both directions may be meant.
    """

    modules: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    driven: Mapping[str, frozenset[str | int]] = field(default_factory=dict)
    lets_go: bool = False


def surroundings(bench: Bench) -> Surroundings:
    """What a design meets in ``bench``; of a cocotb bench nothing, since the design is its top."""
    texts = tuple(text for name, text in bench.sources.items() if name.endswith((".v", ".sv")))
    return _read(texts) if bench.kind == "verilog" else Surroundings()


@lru_cache(maxsize=1024)
def _read(texts: tuple[str, ...]) -> Surroundings:
    from pyslang import analysis, ast

    from hdl_sim.slang import parse, text_is_bounded

    if not all(map(text_is_bounded, texts)):
        return Surroundings()
    try:
        trees = [parse(text) for text in texts]
        compilation = ast.Compilation()
        for tree in trees:
            compilation.addSyntaxTree(tree)
        compilation.getAllDiagnostics()  # elaborates all of it, which the analysis needs
        compilation.freeze()
        manager = analysis.AnalysisManager(analysis.AnalysisOptions())
        manager.analyze(compilation)
        driven: defaultdict[str, set[str | int]] = defaultdict(set)
        for top in compilation.getRoot().topInstances:
            for scope in _bodies(top.body):
                _collect(scope, manager, driven)
    except RuntimeError:
        return Surroundings()
    modules, scopes = _names(trees)
    frozen = {name: frozenset(ports) for name, ports in driven.items()}
    return Surroundings(modules, scopes | modules, frozen, any(map(_LETS_GO.search, texts)))


def _names(trees: list[Any]) -> tuple[frozenset[str], frozenset[str]]:
    from pyslang import ast

    modules: set[str] = set()
    scopes: set[str] = set()

    def keep(node: Any) -> Any:
        kind = "" if hasattr(node, "valueText") else node.kind.name
        if kind in ("ModuleDeclaration", "InterfaceDeclaration", "PackageDeclaration", "ProgramDeclaration"):
            modules.add(node.header.name.valueText)
        elif kind in _SCOPES:
            scopes.add(node.name.valueText)
        elif kind in _ROUTINES:
            scopes.add(str(node.prototype.name).strip())
        return ast.VisitAction.Advance

    for tree in trees:
        tree.root.visit(keep)
    return frozenset(modules), frozenset(scopes)


def _bodies(body: Any) -> Iterator[Any]:
    """A module's body and those below it."""
    yield body
    for member in body:
        if member.kind.name == "Instance":
            yield from _bodies(member.body)


def _collect(scope: Any, manager: Any, driven: defaultdict[str, set[str | int]]) -> None:
    """Add the ports of unknown modules in one scope whose nets have a driver there already.

    Only nets: a variable cannot have a second driver.
    """
    nets = {
        member.name
        for member in scope
        if member.kind.name == "Net" and (manager.getDrivers(member) or member.initializer is not None)
    }
    for member in scope:
        if member.kind.name != "UninstantiatedDef" or member.syntax is None:
            continue
        ports = driven[member.definitionName]
        connections = [node for node in member.syntax.connections if not hasattr(node, "valueText")]  # else commas too
        for place, connection in enumerate(connections):
            kind = connection.kind.name
            if kind == "WildcardPortConnection":
                ports |= nets
            elif kind == "NamedPortConnection":
                name = connection.name.valueText
                if nets & _words(connection.expr, name):
                    ports.add(name)
            elif kind == "OrderedPortConnection" and nets & _words(connection.expr, ""):
                ports.add(place)


def _words(expression: Any, implicit: str) -> set[str]:
    text = str(expression) if expression is not None else ""
    return set(re.findall(r"[A-Za-z_][\w$]*", text)) or {implicit}
