"""Reads a value change dump (VCD, IEEE 1364-2005 clause 18) that a simulator wrote.

Reads bytes, through pyvcd; writes nothing. A dump is hostile data: it is read up to a size, and up to its first fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from vcd.common import Timescale
from vcd.reader import (
    ScalarChange,
    ScopeDecl,
    Token,
    TokenKind,
    VarDecl,
    VCDParseError,
    VectorChange,
    tokenize,
)  # fmt: skip

from autovcoder.records import Signal

MAX_DUMP_BYTES = 2 << 20  # pyvcd reads about 2 MB a second
MAX_CHARACTERS = 100_000  # of values, in one waveform and so in one signal
_NOT_BITS = frozenset({"event", "parameter", "real", "realtime", "shortreal", "string", "port"})


@dataclass(frozen=True, slots=True)
class Dump:
    """The signals of one scope of a VCD.

    Attributes:
        timescale: the unit of all times, such as ``1 ps``.
        end: the last time.
        signals: by name, in their order; changes ascend in time.
    """

    timescale: str
    end: int
    signals: dict[str, Signal]


def read_vcd(data: bytes, scope: str) -> Dump:
    """The signals of the top-level ``scope``, as far as the data can be read; whatever follows a fault is left out.

    Of several changes at one time the last counts. Reals, strings, events and parameters are passed over.
    """
    whole = data[:MAX_DUMP_BYTES]
    whole = whole[: whole.rfind(b"\n") + 1]  # a cut line can look like another change
    reader = _Reader(scope)
    try:
        for token in tokenize(BytesIO(whole)):
            reader.take(token)
    except (VCDParseError, ValueError):
        pass
    return reader.dump()


class _Reader:
    """What has been read so far: declarations in the wanted scope, and their values by time."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._path: list[str] = []
        self._declared: dict[str, list[VarDecl]] = {}
        self._values: dict[str, dict[int, int | str]] = {}
        self._timescale, self._now = "", 0

    def take(self, token: Token) -> None:
        item = token.data
        if isinstance(item, ScalarChange | VectorChange):
            if item.id_code in self._declared:
                self._values.setdefault(item.id_code, {})[self._now] = item.value
        elif token.kind is TokenKind.CHANGE_TIME and isinstance(item, int):
            self._now = max(self._now, item)
        elif isinstance(item, VarDecl):
            if self._path == [self._scope] and item.type_.value not in _NOT_BITS and 1 <= item.size <= MAX_CHARACTERS:
                self._declared.setdefault(item.id_code, []).append(item)
        elif isinstance(item, ScopeDecl):
            self._path.append(item.ident)
        elif token.kind is TokenKind.UPSCOPE and self._path:
            self._path.pop()
        elif isinstance(item, Timescale):
            self._timescale = f"{int(item.magnitude)} {item.unit.value}"

    def dump(self) -> Dump:
        signals = {}
        for code, variables in self._declared.items():
            for variable in variables:
                name, index, width = variable.reference, variable.bit_index, variable.size
                bits = f"[{index[0]}:{index[1]}]" if isinstance(index, tuple) else ""
                changes = _changes(self._values.get(code, {}), width)
                signals[name] = Signal(name=name, width=width, bits=bits, changes=changes)
        return Dump(self._timescale, self._now, signals)


def _changes(values: Mapping[int, int | str], width: int) -> tuple[tuple[int, str], ...]:
    """Changes of value, without those to the same value."""
    found: list[tuple[int, str]] = []
    for time, raw in values.items():
        value = _bits(raw, width)
        if not found or found[-1][1] != value:
            found.append((time, value))
    return tuple(found)


def _bits(value: int | str, width: int) -> str:
    text = format(value, "b") if isinstance(value, int) else value.lower()
    text = "".join(bit if bit in "01xz" else "x" for bit in text)
    # A value is shortened on the left when the rest repeats: x for x, z for z, 0 for 0 and 1.
    fill = text[0] if text[0] in "xz" else "0"
    return text.rjust(width, fill)[-width:]
