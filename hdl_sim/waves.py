"""Shows where a design went wrong: what goes into it, what is expected and what it gives, around the first mismatch.

Reads a design, its testbench, and the dumps that the simulator made of them; writes nothing. What is kept is bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, runtime_checkable

from autovcoder.records import Bench, Direction, Signal, Waveform
from hdl_sim.dump import MAX_CHARACTERS, MAX_DUMP_BYTES, Dump, read_vcd
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.wiring import port_wiring

MAX_SIGNALS = 40
BEFORE, AFTER = 10, 22  # moments at which something changes, around the first mismatch
# Bytes of a dump, tried in turn: most mismatches are early, and reading is what takes the time.
_READ = (16 << 10, 128 << 10, MAX_DUMP_BYTES)
EXPECTED, GOT, FLAG = "_ref", "_dut", "tb_mismatch"


@runtime_checkable
class Dumps(Protocol):
    """A simulator that can show what it simulated."""

    def dump(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """The start of a VCD of the signals in the bench's top; empty when the design does not come to simulation."""


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
    raw = simulator.dump(design, bench, limits)
    if not raw:
        return None
    wiring = port_wiring(list(bench.sources.values()), design, bench.top)
    other: bytes | None = None
    wave = None
    for size in _READ:
        got = read_vcd(raw[:size], bench.top)
        pairs, known = _pairs_of_bench(got), got.end
        if not pairs and reference is not None:
            other = simulator.dump(reference, bench, limits) if other is None else other
            expected = read_vcd(other[:size], bench.top)
            pairs = _pairs_of_runs(got, expected, [name for name in wiring if wiring[name] != "input"])
            known = min(known, expected.end)
        if got.signals:
            wave = around_mismatch(got, _unpaired(got, wiring, pairs), pairs)
        if wave is not None and wave.mismatch is not None and wave.end < known:
            break  # nothing that follows can change it
        if size >= max(len(raw), len(other or b"")):
            break
    return wave


def _unpaired(dump: Dump, wiring: Mapping[str, Direction], pairs: Pairs) -> list[Signal]:
    """What is shown beside the pairs: other signals wired to the design; all signals where nothing else is known."""
    paired = {name for expected, got in pairs.values() for name in (expected.name, got.name)}
    inputs = [name for name, direction in wiring.items() if direction == "input"]
    outputs = [name for name in wiring if wiring[name] != "input" and name not in pairs and name not in paired]
    names = [name for name in (*inputs, *outputs) if name in dump.signals]
    if not names and not pairs:
        names = [name for name in dump.signals if name != FLAG]
    return [dump.signals[name] for name in names]


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
    both = min(expected.end, got.end)  # behind it nobody knows what the other would have done
    return {
        name: (_until(expected.signals[name], both, name + EXPECTED), _until(got.signals[name], both, name + GOT))
        for name in outputs
        if name in expected.signals and name in got.signals
    }


def _until(row: Signal, end: int, name: str) -> Signal:
    return row.model_copy(update={"name": name, "changes": tuple(change for change in row.changes if change[0] <= end)})


def first_difference(expected: Signal, got: Signal) -> int | None:
    """When ``got`` first lacks a value that is expected; an expected x is no expectation (VerilogEval's comparison)."""
    width = max(expected.width, got.width)
    wanted, given = "x" * width, "x" * width
    at = dict(expected.changes)
    also = dict(got.changes)
    for time in sorted({*at, *also}):
        wanted = at[time].rjust(width, "0") if time in at else wanted
        given = also[time].rjust(width, "0") if time in also else given
        if any(want not in ("x", have) for want, have in zip(wanted, given, strict=True)):
            return time
    return None


def around_mismatch(dump: Dump, plain: list[Signal], pairs: Pairs) -> Waveform:
    """The window of a dump around the first difference of a pair; without pairs, around VerilogEval's flag's first 1.

    Args:
        plain: signals of the dump that are shown as they are; the pairs follow them.
    """
    differences = {base: first_difference(*pair) for base, pair in pairs.items()}
    known = [time for time in differences.values() if time is not None]
    flag = dump.signals.get(FLAG)
    if not pairs and flag is not None:
        known = [time for time, value in flag.changes if value == "1"][:1]
    mismatch = min(known, default=None)
    rows = [*plain, *(signal for pair in pairs.values() for signal in pair), *([flag] if flag else [])]
    start, end = _window(rows, mismatch, dump.end)
    differences = {base: time if time is not None and time < end else None for base, time in differences.items()}
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
    inside = [(time, value) for time, value in row.changes if start < time < end]
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
