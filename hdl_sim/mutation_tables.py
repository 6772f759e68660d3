"""What a slip puts in the place of an operator or of a number.

Reads and writes pieces of Verilog as text.
"""

from __future__ import annotations

import re

OPERATORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "+": ("arithmetic", ("-",)),
    "-": ("arithmetic", ("+",)),
    "*": ("arithmetic", ("+",)),
    "/": ("arithmetic", ("*",)),
    "%": ("arithmetic", ("/",)),
    "&": ("bitwise", ("|", "^")),
    "|": ("bitwise", ("&", "^")),
    "^": ("bitwise", ("~^", "|", "&")),
    "~^": ("bitwise", ("^",)),
    "^~": ("bitwise", ("^",)),
    "&&": ("logical", ("||",)),
    "||": ("logical", ("&&",)),
    "==": ("comparison", ("!=",)),
    "!=": ("comparison", ("==",)),
    "===": ("comparison", ("!==",)),
    "!==": ("comparison", ("===",)),
    "<": ("comparison", ("<=", ">=")),
    "<=": ("comparison", ("<", ">")),
    ">": ("comparison", (">=", "<=")),
    ">=": ("comparison", (">", "<")),
    "<<": ("shift", (">>",)),
    ">>": ("shift", ("<<",)),
    "<<<": ("shift", (">>>",)),
    ">>>": ("shift", (">>", "<<")),
}
"""Of two operands: the kind of the slip, and what is written instead."""
UNARY: dict[str, tuple[str, tuple[str, ...]]] = {
    "UnaryBitwiseNotExpression": ("negation", ("",)),
    "UnaryLogicalNotExpression": ("negation", ("",)),
    "UnaryMinusExpression": ("negation", ("",)),
    "UnaryBitwiseAndExpression": ("reduction", ("|", "~&")),
    "UnaryBitwiseOrExpression": ("reduction", ("&", "~|")),
    "UnaryBitwiseXorExpression": ("reduction", ("|", "~^")),
    "UnaryBitwiseNandExpression": ("reduction", ("&",)),
    "UnaryBitwiseNorExpression": ("reduction", ("|",)),
    "UnaryBitwiseXnorExpression": ("reduction", ("^",)),
}
"""Of one operand, by the kind of the syntax."""
ORDER_MATTERS = frozenset({"-", "/", "%", "<<", ">>", ">>>"})
SHIFTS = frozenset({"<<", ">>", "<<<", ">>>"})
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16}
_BASED = re.compile(r"(?P<size>\d[\d_]*)?\s*'(?P<sign>[sS]?)(?P<base>[bBoOdDhH])\s*(?P<digits>[0-9a-fA-F_]+)")
_PLAIN = re.compile(r"\d[\d_]*")
_MOST_BITS = 4096


def other_numbers(literal: str, *, near: bool = False) -> tuple[str, ...]:
    """Literals of the same size and base for one more, one less, a bit flipped, and zero.

    There are none for a literal with x or z in it, or for one that is no integer.

    Args:
        near: only one more and one less, as for an index.
    """
    if _PLAIN.fullmatch(literal) and len(literal) < 20:
        value = int(literal.replace("_", ""))
        return tuple(str(other) for other in _others(value, None, near))
    match = _BASED.fullmatch(literal)
    if match is None or len(literal) > _MOST_BITS:
        return ()
    size = int(match["size"].replace("_", "")) if match["size"] and len(match["size"]) < 6 else None
    base = _BASES[match["base"].lower()]
    digits = match["digits"].replace("_", "")
    try:
        value = int(digits, base)
    except ValueError:  # no digits, those of another base, or more than Python takes
        return ()
    if size is not None and not 0 < size <= _MOST_BITS:
        return ()
    head = f"{match['size'] or ''}'{match['sign']}{match['base']}"
    return tuple(head + _digits(other, base, len(digits)) for other in _others(value, size, near))


def _others(value: int, size: int | None, near: bool) -> list[int]:
    top = 1 << size if size else None
    flipped = value ^ (1 << (size - 1)) if size else value ^ 2
    wanted = [value + 1, value - 1] if near else [value + 1, value - 1, flipped, 0]
    fitting = [other % top if top else other for other in wanted]
    return [other for other in dict.fromkeys(fitting) if other >= 0 and other != (value % top if top else value)]


def _digits(value: int, base: int, width: int) -> str:
    if base == 10:
        return str(value)
    return f"{value:0{width}{'b' if base == 2 else 'o' if base == 8 else 'x'}}"
