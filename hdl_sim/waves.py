"""Shows where a design went wrong: what goes into it, what is expected and what it gives, around the first mismatch.

Reads a design, its testbench, and the value change dumps (VCD, IEEE 1364-2005 clause 18) that the simulator made of
them; writes nothing. A dump is hostile data: size, signals and what is kept of them are bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol, runtime_checkable

from autovcoder.records import Bench, Signal, Waveform
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.wiring import port_wiring

MAX_DUMP_BYTES = 2 << 20  # pyvcd reads about 2 MB a second
MAX_SIGNALS = 40
MAX_CHARACTERS = 100_000  # of values in one waveform
BEFORE, AFTER = 10, 22  # moments at which something changes, around the first mismatch
EXPECTED, GOT, FLAG = "_ref", "_dut", "tb_mismatch"
_DRAWN = frozenset(
    "reg logic bit wire tri triand trior trireg tri0 tri1 wand wor supply0 supply1 integer int byte shortint "
    "longint".split()
)

Changes = tuple[tuple[int, str], ...]


@runtime_checkable
class Dumps(Protocol):
    """A simulator that can show what it simulated."""

    def dump(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """The start of a VCD of the signals in the bench's top; empty when the design does not come to simulation."""


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


def waveform(
    simulator: Dumps,
    design: str,
    bench: Bench,
    *,
    reference: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Waveform | None:
    """What a design's ports do on a bench around the first mismatch; None where the bench cannot be dumped.

    Expected values are the bench's own where it names them ``y_ref`` beside ``y_dut``, as VerilogEval's do; otherwise
    those of ``reference`` on the same bench, where that is given.

    Raises:
        ToolMissing, ToolFailed, InputError: as `hdl_sim.simulator.Simulator.run`.
    """
    if bench.kind != "verilog":
        return None
    got = read_vcd(simulator.dump(design, bench, limits), bench.top)
    if not got.signals:
        return None
    wiring = port_wiring(list(bench.sources.values()), design, bench.top)
    inputs = [name for name, direction in wiring.items() if direction == "input" and name in got.signals]
    outputs = [name for name, direction in wiring.items() if direction != "input" and name in got.signals]
    pairs = _pairs_of_bench(got)
    if not pairs and reference is not None and outputs:
        pairs = _pairs_of_runs(got, read_vcd(simulator.dump(reference, bench, limits), bench.top), outputs)
    paired = {name for expected, given in pairs.values() for name in (expected.name, given.name)}
    plain = [*inputs, *(name for name in outputs if name not in paired and name + GOT not in paired)]
    if not plain and not pairs:
        plain = [name for name in got.signals if name != FLAG]
    return _around_mismatch(got, [got.signals[name] for name in plain if name not in paired], pairs)


def read_vcd(data: bytes, scope: str) -> Dump:
    """The signals of the top-level ``scope``, as far as the data can be read; whatever follows a fault is left out.

    Values have one character a bit, ``0``, ``1``, ``x`` or ``z``, the highest bit first. Of several changes at one time
    the last counts. Reals, strings and parameters are passed over.
    """
    from vcd.reader import TokenKind, VCDParseError, tokenize

    whole = data[:MAX_DUMP_BYTES]
    whole = whole[: whole.rfind(b"\n") + 1]  # a cut line can look like another change
    timescale, depth, inside, now = "", 0, False, 0
    names: dict[str, list[tuple[str, int]]] = {}
    values: dict[str, dict[int, str]] = {}
    try:
        for kind, _, item in tokenize(BytesIO(whole)):
            if kind is TokenKind.CHANGE_TIME:
                now = max(now, item)  # type: ignore[type-var, assignment] # the kind tells the item's type
            elif kind is TokenKind.CHANGE_SCALAR or kind is TokenKind.CHANGE_VECTOR:
                if item.id_code in names:  # type: ignore[union-attr]
                    values.setdefault(item.id_code, {})[now] = item.value  # type: ignore[union-attr, assignment]
            elif kind is TokenKind.SCOPE:
                depth, inside = depth + 1, inside or (depth == 0 and item.ident == scope)  # type: ignore[union-attr]
            elif kind is TokenKind.UPSCOPE:
                depth, inside = depth - 1, inside and depth > 1
            elif kind is TokenKind.VAR:
                if inside and depth == 1 and item.type_.value in _DRAWN:  # type: ignore[union-attr]
                    names.setdefault(item.id_code, []).append((item.reference, item.size))  # type: ignore[union-attr]
            elif kind is TokenKind.TIMESCALE:
                timescale = f"{int(item.magnitude)} {item.unit.value}"  # type: ignore[union-attr]
    except (VCDParseError, ValueError):
        pass
    signals = {}
    for code, declared in names.items():
        for name, width in declared:
            if 1 <= width <= MAX_CHARACTERS:
                signals[name] = Signal(name=name, width=width, changes=_changes(values.get(code, {}), width))
    return Dump(timescale, now, signals)


def _changes(values: Mapping[int, int | str], width: int) -> Changes:
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


Pairs = dict[str, tuple[Signal, Signal]]
"""An output's name to what is expected of it and what it gives."""


def _pairs_of_bench(dump: Dump) -> Pairs:
    bases = [name.removesuffix(GOT) for name in dump.signals if name.endswith(GOT)]
    return {
        base: (dump.signals[base + EXPECTED], dump.signals[base + GOT])
        for base in bases
        if base + EXPECTED in dump.signals
    }


def _pairs_of_runs(got: Dump, expected: Dump, outputs: Iterable[str]) -> Pairs:
    if expected.timescale != got.timescale:
        return {}
    return {
        name: (
            expected.signals[name].model_copy(update={"name": name + EXPECTED}),
            got.signals[name].model_copy(update={"name": name + GOT}),
        )
        for name in outputs
        if name in expected.signals
    }


def first_difference(expected: Signal, got: Signal) -> int | None:
    """When ``got`` first lacks a value that is expected; an expected x is no expectation (VerilogEval's comparison)."""
    width = max(expected.width, got.width)
    wanted, given = "x" * width, "x" * width
    at = {time: value for time, value in expected.changes}
    also = {time: value for time, value in got.changes}
    for time in sorted({*at, *also}):
        wanted = at[time].rjust(width, "0") if time in at else wanted
        given = also[time].rjust(width, "0") if time in also else given
        if any(want not in ("x", have) for want, have in zip(wanted, given, strict=True)):
            return time
    return None


def _around_mismatch(dump: Dump, plain: list[Signal], pairs: Pairs) -> Waveform:
    differences = {base: first_difference(*pair) for base, pair in pairs.items()}
    known = [time for time in differences.values() if time is not None]
    flag = dump.signals.get(FLAG)
    if not pairs and flag is not None:
        known = [time for time, value in flag.changes if value == "1"][:1]
    mismatch = min(known, default=None)
    rows = [*plain, *(signal for pair in pairs.values() for signal in pair), *([flag] if flag else [])]
    start, end = _window(rows, mismatch, dump.end)
    first = {base + end for base, time in differences.items() if time is not None for end in (EXPECTED, GOT)}
    kept = _within_bounds([_cut(row, start, end) for row in rows], first)
    return Waveform(
        timescale=dump.timescale,
        start=start,
        end=end,
        mismatch=mismatch,
        signals=tuple(kept),
        differences=differences,
        left_out=len(rows) - len(kept),
    )


def _window(rows: Iterable[Signal], mismatch: int | None, end: int) -> tuple[int, int]:
    times = sorted({time for row in rows for time, _ in row.changes})
    if not times:
        return 0, max(end, 1)
    middle = bisect_left(times, mismatch) if mismatch is not None else 0
    first, last = max(0, middle - BEFORE), middle + AFTER
    if last < len(times):
        return times[first], times[last]
    # Behind the last change a run may wait for long.
    pause = max(1, (times[-1] - times[first]) // max(1, len(times) - 1 - first))
    return times[first], max(times[-1] + 1, min(end, times[-1] + pause))


def _cut(row: Signal, start: int, end: int) -> Signal:
    """The part of a signal in a window; what it is at the start comes first."""
    before = [value for time, value in row.changes if time <= start]
    inside = [(time, value) for time, value in row.changes if start < time <= end]
    return row.model_copy(update={"changes": ((start, before[-1] if before else "x" * row.width), *inside)})


def _within_bounds(rows: list[Signal], first: Collection[str]) -> list[Signal]:
    """As many rows as may be kept, in their order; those named in ``first`` before others."""
    kept: set[str] = set()
    left = MAX_CHARACTERS
    for row in sorted(rows, key=lambda row: row.name not in first):
        size = row.width * len(row.changes)
        if len(kept) < MAX_SIGNALS and size <= left:
            kept.add(row.name)
            left -= size
    return [row for row in rows if row.name in kept]
