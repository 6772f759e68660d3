"""The ports of a module as its syntax tells them, for modules that cannot be elaborated alone.

Reads the declaration of a module; writes nothing. A parameter without a default, as teams have that want no instance to
forget it, leaves nothing to elaborate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from autovcoder.records import Direction, Port

_DIRECTIONS: dict[str, Direction] = {"input": "input", "output": "output", "inout": "inout", "ref": "ref"}
_LITERAL_RANGE = re.compile(r"\s*\[\s*(\d+)\s*:\s*(\d+)\s*\]\s*")
_WORDS = re.compile(r"\b(?:reg|wire|logic|bit|signed|unsigned|tri|var)\b")


def syntax_ports(node: Any) -> tuple[Port, ...]:
    """The ports of a module declaration, in their order; a width is known where no name is in it."""
    ports = node.header.ports
    if ports is None:
        return ()
    if ports.kind.name == "AnsiPortList":
        return tuple(_ansi(ports.ports))
    declared = {port.name: port for port in _declared(node.members)}
    names = [str(item).strip() for item in ports.ports if hasattr(item, "expr")]
    return tuple(declared[name] for name in names if name in declared)


def _ansi(items: Any) -> Iterator[Port]:
    direction: Direction = "inout"  # IEEE 1800-2017, 23.2.2.3
    width: int | None = 1
    for item in items:
        if item.kind.name == "ImplicitAnsiPort":
            header = item.header
            stated = header.direction.valueText if hasattr(header, "direction") else ""
            if header.kind.name == "InterfacePortHeader":
                direction, width = "interface", None
            elif stated or str(header).strip():
                direction = _DIRECTIONS.get(stated, direction)
                width = _width(str(header.dataType))
            dimensions = str(item.declarator.dimensions or "").strip()
            yield Port(name=item.declarator.name.valueText, direction=direction, width=None if dimensions else width)
        elif item.kind.name == "ExplicitAnsiPort":
            direction = _DIRECTIONS.get(item.direction.valueText, direction)
            yield Port(name=item.name.valueText, direction=direction, width=None)


def _declared(members: Any) -> Iterator[Port]:
    for member in members:
        if member.kind.name != "PortDeclaration":
            continue
        header = member.header
        direction = _DIRECTIONS.get(header.direction.valueText) if hasattr(header, "direction") else "interface"
        for item in member.declarators:
            if direction is not None and hasattr(item, "name"):
                width = None if direction == "interface" else _width(str(header.dataType))
                yield Port(name=item.name.valueText, direction=direction, width=width)


def _width(type_: str) -> int | None:
    rest = _WORDS.sub("", type_).strip()
    if not rest:
        return 1
    match = _LITERAL_RANGE.fullmatch(rest)
    return abs(int(match[1]) - int(match[2])) + 1 if match and len(match[0]) < 40 else None
