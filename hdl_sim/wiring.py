"""Tells which signals of a testbench are wired to the design's ports.

Reads the texts of a testbench and a design that was simulated with it; writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from autovcoder.records import Direction
from hdl_sim.slang import compile_tree, parse, read_source

_DIRECTIONS: dict[str, Direction] = {"In": "input", "Out": "output", "InOut": "inout", "Ref": "ref"}


def port_wiring(bench: Collection[str], design: str, top: str) -> dict[str, Direction]:
    """Names in the module ``top`` of the bench that are wired to ports of the design, in the order of the ports.

    Empty where slang cannot tell.
    """
    from pyslang import ast

    modules = {module.name for module in read_source(design, elaborate=False).modules}
    wired: dict[str, Direction] = {}
    try:
        root = compile_tree(parse("\n".join([*bench, design]))).getRoot()
        for member in (member for found in root.topInstances if found.name == top for member in found.body):
            if isinstance(member, ast.InstanceSymbol) and member.definition.name in modules:
                for connection in member.portConnections:
                    direction = _DIRECTIONS.get(getattr(getattr(connection.port, "direction", None), "name", ""))
                    if direction and connection.expression is not None:
                        wired |= dict.fromkeys(_names(connection.expression), direction)
    except RuntimeError:
        return {}
    return wired


def _names(expression: Any) -> list[str]:
    from pyslang import ast

    found: list[str] = []

    def keep(node: Any) -> None:
        if isinstance(node, ast.NamedValueExpression):
            found.append(node.symbol.name)

    expression.visit(keep)
    return found
