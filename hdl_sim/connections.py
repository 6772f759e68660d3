"""What a testbench wants of the design: which module it instantiates, and which ports it connects.

Reads the texts of a testbench; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Connection:
    """One instance, in a testbench, of a module that the testbench does not define.

    Attributes:
        module: the name of the module.
        ports: names of the ports that are connected by name, in their order.
        ordered: how many ports are connected by their place.
    """

    module: str
    ports: tuple[str, ...]
    ordered: int


def connections(texts: Iterable[str]) -> tuple[Connection, ...]:
    """Every instance of a module that none of the texts defines, whatever conditions of ``generate`` it stands under.

    A text that slang cannot read within bounds counts for nothing.
    """
    from pyslang import syntax

    from hdl_sim.slang import parse, text_is_bounded

    defined: set[str] = set()
    found: list[Connection] = []
    for text in texts:
        if not text_is_bounded(text):
            continue
        try:
            tree = parse(text)
        except RuntimeError:
            continue  # nested too deep
        kinds = syntax.SyntaxKind
        tree.root.visit(
            lookup_table={
                kinds.ModuleDeclaration: lambda node: defined.add(node.header.name.valueText),
                kinds.HierarchyInstantiation: lambda node: found.extend(_instances(node)),
            }
        )
    return tuple(connection for connection in found if connection.module not in defined)


def _instances(node: Any) -> Iterator[Connection]:
    for instance in node.instances:
        if not hasattr(instance, "connections"):
            continue  # the comma between two instances
        kinds = [(item.kind.name, item) for item in instance.connections]
        named = tuple(str(item.name.valueText) for kind, item in kinds if kind == "NamedPortConnection")
        ordered = sum(kind == "OrderedPortConnection" for kind, _ in kinds)
        yield Connection(str(node.type.valueText), named, ordered)
