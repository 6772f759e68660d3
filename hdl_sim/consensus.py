"""Chooses among designs without a testbench that knows the answer: by what they do, and by what the specification says.

Reads a specification and designs; writes nothing. All designs are driven with the same stimulus, made from the
interface alone (`stimulus.py`), and those that answer it alike form a group. Set aside, in this order and as long as
one is left, is what

1. contradicts examples that the specification gives (`stated_examples.py`), the more the sooner,
2. contradicts the clock's edge or the kind of reset that it states (`stated_timing.py`),
3. remembers, where there is no clock and the specification speaks of nothing that could,
4. has outputs that are unknown, or never change, though not where nearly all agree on it: the stimulus is short, and a
   slow design may not move in it,
5. has single output bits that never change, though they do in most designs.

The largest group of what is left wins; of several, the one that answers with the fewest unknown bits, then the one that
is closest to all designs, bit by bit.

Two independent mistakes are seldom the same, so that agreement tells of correctness; `confidence` says how much.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from autovcoder.records import Port, Record
from hdl_sim.roles import Roles, roles
from hdl_sim.simulator import in_parallel
from hdl_sim.slang import Module, read_source
from hdl_sim.stated_examples import Examples, stated_examples
from hdl_sim.stated_timing import Timing, contradictions, stated_timing
from hdl_sim.statement import Stated, asked_module
from hdl_sim.stimulus import Stimulus, stimulus
from hdl_sim.traces import Prints, Trace, examples_met, none_met, trace

if TYPE_CHECKING:
    import numpy as np

    Bits = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

_REMEMBERS = re.compile(r"latch|flip-?flop|regist|memor|sequential|previous|hold|stor|state|level", re.IGNORECASE)
_NEARLY_ALL = 0.75  # of the candidates
# Fitted to the shares of agreeing answers among 2, 3, 5 and 10 of four models to two benchmarks (docs/select.md).
_ODDS, _DISCOUNT, _POWER = 5.9, 0.82, 1.13


class Difference(Record):
    """Where a group's outputs first differ from the chosen one's.

    Attributes:
        step: of the stimulus, from 0. ``inputs``: at that step, each as ``name=value`` in hexadecimal.
        chosen, other: the outputs that differ, by name, in binary.
    """

    step: int
    inputs: dict[str, str]
    chosen: dict[str, str]
    other: dict[str, str]


class Group(Record):
    """Candidates that answer the stimulus alike.

    Attributes:
        members: their indices. ``against``: why they are set aside; empty for those that could be chosen.
        difference: from the chosen group; None where there is none.
    """

    members: tuple[int, ...]
    against: tuple[str, ...] = ()
    difference: Difference | None = None


class Selection(Record):
    """Which candidate was chosen, and how sure that is.

    Attributes:
        best: its index; None where no candidate could be driven.
        confidence: the estimated probability that it is right; None where there is nothing to compare.
        agreeing: how many candidates do what it does and are not set aside, itself included. ``of``: how many there
            are in all.
        groups: the chosen one first, then by size.
        examples: how many examples of the specification were tried, and how many of them the chosen one meets.
        not_driven: candidates that could not be driven, and why.
        simulated: how many different designs were, to the end of the stimulus.
    """

    best: int | None
    confidence: float | None = None
    agreeing: int = 0
    of: int = 0
    groups: tuple[Group, ...] = ()
    examples: tuple[int, int] = (0, 0)
    not_driven: dict[int, str] = Field(default_factory=dict)
    simulated: int = 0


def confidence(agreeing: int, of: int) -> float | None:
    """How probable it is that a group of ``agreeing`` answers among ``of`` is right; None for fewer than two."""
    if of < 2 or agreeing < 1:
        return None
    odds: float = _ODDS * ((agreeing - _DISCOUNT) / of) ** _POWER
    return odds / (1.0 + odds)


@dataclass(frozen=True, slots=True)
class _Driven:
    """A design with what it did.

    Attributes:
        demerits: how much speaks against it, the gravest kind first; ``reasons``: the same in words.
        unknown: the share of its output bits that were x or z.
    """

    members: tuple[int, ...]
    trace: Trace
    bits: Bits
    met: tuple[bool, ...]
    demerits: tuple[int, ...]
    reasons: tuple[str, ...]
    unknown: float


def select(
    designs: Sequence[str | None], spec: str, stated: Stated, simulator: Prints, *, workers: int | None = None
) -> Selection:
    """Choose among ``designs``, which are answers to ``spec``.

    Args:
        designs: those that compile and have the interface that is asked for; None in the place of any other.
        stated: what the specification states of the interface.
        workers: designs that are simulated at once; all cores when None.

    Raises:
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    places: dict[str, list[int]] = {}
    for index, design in enumerate(designs):
        if design is not None:
            places.setdefault(design, []).append(index)
    modules = {design: module_of(design, stated) for design in places}
    shape = _usual_shape(modules, places)
    apart: dict[int, str] = {}
    wanted: list[str] = []
    for design, members in places.items():
        module = modules[design]
        if module is not None and _shape(module) == shape:
            wanted.append(design)
        else:
            apart |= dict.fromkeys(members, "its ports are not those of most")
    ports = next((module.ports for design in wanted if (module := modules[design])), ())
    used = roles([port for port in ports if port.direction == "input"], wanted)
    given = stimulus(ports, used)
    if given is None:
        reason = "a port's width is not known, or there is no output" if wanted else "no candidate has usable ports"
        return Selection(best=None, of=len(designs), not_driven=apart | _all(wanted, places, reason))
    examples = stated_examples(spec, ports, clocked=bool(used.clocks))

    def drive(design: str) -> tuple[Trace, tuple[bool, ...]] | None:
        name = (modules[design] or _NOTHING).name
        seen = trace(simulator, design, name, given)
        if seen is None:
            return None
        met = [examples_met(simulator, design, name, one, ports, used.clocks) or none_met(one) for one in examples]
        return seen, tuple(each for one in met for each in one)

    answers = dict(zip(wanted, in_parallel(drive, wanted, workers), strict=True))
    failed = [design for design in wanted if answers[design] is None]
    apart |= _all(failed, places, "it does not compile with these ports, or does not come to rest")
    judge = _Judge(spec, used, given, examples)
    driven = judge.judge(
        {design: (tuple(places[design]), *answer) for design, answer in answers.items() if answer is not None}
    )
    return _chosen(driven, given, len(designs), apart)


_NOTHING = Module("", (), "", 0, 0, ())


def _all(designs: Sequence[str], places: dict[str, list[int]], reason: str) -> dict[int, str]:
    return {index: reason for design in designs for index in places[design]}


def module_of(design: str, stated: Stated) -> Module | None:
    """The module of a design that is driven; None where it has none."""
    source = read_source(design)
    return asked_module(stated, source) if source.modules else None


def _shape(module: Module) -> frozenset[Port]:
    return frozenset(module.ports)


def _usual_shape(modules: dict[str, Module | None], places: dict[str, list[int]]) -> frozenset[Port] | None:
    counted: Counter[frozenset[Port]] = Counter()
    for design, module in modules.items():
        if module is not None:
            counted[_shape(module)] += len(places[design])
    return counted.most_common(1)[0][0] if counted else None


class _Judge:
    """Finds what speaks against designs."""

    def __init__(self, spec: str, used: Roles, given: Stimulus, examples: Sequence[Examples]) -> None:
        self._roles, self._stimulus, self._examples = used, given, examples
        self._timing: Timing = stated_timing(spec)
        self._may_remember = bool(given.clocks) or _REMEMBERS.search(spec) is not None

    def judge(self, seen: dict[str, tuple[tuple[int, ...], Trace, tuple[bool, ...]]]) -> list[_Driven]:
        import numpy as np

        bits = {design: _bits(answer[1]) for design, answer in seen.items()}
        still = {
            design: np.asarray((one == one[0]).all(axis=0) | (one > 1).all(axis=0)) for design, one in bits.items()
        }
        count = sum(len(members) for members, _, _ in seen.values())
        resting: Counter[Trace] = Counter()
        for design, (members, answer, _) in seen.items():
            resting[answer] += len(members) * bool((bits[design] == bits[design][0]).all())
        rests = {answer for answer, agreeing in resting.items() if agreeing > _NEARLY_ALL * count}
        stuck = sum(len(seen[design][0]) * still[design] for design in seen)
        usually_moves = np.asarray(stuck) * 2 < count
        return [
            self._driven(
                design,
                *seen[design],
                bits[design],
                int((still[design] & usually_moves).sum()),
                may_rest=seen[design][1] in rests,
            )
            for design in seen
        ]

    def _driven(
        self,
        design: str,
        members: tuple[int, ...],
        seen: Trace,
        met: tuple[bool, ...],
        bits: Bits,
        stuck: int,
        *,
        may_rest: bool,
    ) -> _Driven:
        missed = len(met) - sum(met)
        timing = contradictions(self._timing, design, self._roles)
        remembers = not self._may_remember and self._remembers(seen)
        dead = 2 if (bits > 1).all() else int((bits == bits[0]).all() and not may_rest)
        reasons = [f"contradicts {missed} of {len(met)} examples of the specification"] if missed else []
        reasons += timing
        reasons += ["remembers what it should compute anew"] if remembers else []
        reasons += ["its outputs are unknown"] if dead == 2 else ["its outputs never change"] if dead else []
        reasons += [f"{stuck} of its output bits never change, as they do in most"] if stuck and not dead else []
        demerits = (missed, len(timing), int(remembers), dead, stuck)
        return _Driven(members, seen, bits, met, demerits, tuple(reasons), float((bits > 1).mean()))

    def _remembers(self, seen: Trace) -> bool:
        answers: dict[tuple[int, ...], str] = {}
        rows = (tuple(row.values()) for row in self._stimulus.rows)
        return any(answers.setdefault(row, look) != look for row, look in zip(rows, seen, strict=True))


def _bits(seen: Trace) -> Bits:
    """A row for each look, a column for each bit: 0, 1, or 2 for what is neither."""
    import numpy as np

    raw = np.frombuffer("".join(seen).encode("ascii"), dtype=np.uint8).reshape(len(seen), -1)
    return np.where(raw == ord("0"), 0, np.where(raw == ord("1"), 1, 2)).astype(np.uint8)


def _chosen(driven: list[_Driven], given: Stimulus, of: int, apart: dict[int, str]) -> Selection:
    if not driven:
        return Selection(best=None, of=of, not_driven=apart)
    least = min(one.demerits for one in driven)
    groups: dict[tuple[bool, Trace], list[_Driven]] = {}
    for one in driven:
        groups.setdefault((one.demerits == least, one.trace), []).append(one)

    def merit(key: tuple[bool, Trace]) -> tuple[float, ...]:
        return key[0], sum(len(one.members) for one in groups[key]), -groups[key][0].unknown

    ordered = sorted(groups, key=merit, reverse=True)
    equal = [key for key in ordered if merit(key) == merit(ordered[0])]
    if len(equal) > 1:
        closest = max(equal, key=lambda key: _closeness(groups[key][0], driven))
        ordered = [closest, *(key for key in ordered if key != closest)]
    best = groups[ordered[0]]
    agreeing = sum(len(one.members) for one in best)
    return Selection(
        best=min(index for one in best for index in one.members),
        confidence=confidence(agreeing, of),
        agreeing=agreeing,
        of=of,
        groups=tuple(
            Group(
                members=tuple(sorted(index for one in groups[key] for index in one.members)),
                against=() if key[0] else tuple(dict.fromkeys(why for one in groups[key] for why in one.reasons)),
                difference=_difference(best[0].trace, key[1], given),
            )
            for key in ordered
        ),
        examples=(len(best[0].met), sum(best[0].met)),
        not_driven=apart,
        simulated=len(driven),
    )


def _closeness(one: _Driven, driven: list[_Driven]) -> float:
    """The share of bits in which a design agrees with the candidates, itself included."""
    total = sum(len(other.members) for other in driven)
    return sum(len(other.members) * float((one.bits == other.bits).mean()) for other in driven) / total


def _difference(chosen: Trace, other: Trace, given: Stimulus) -> Difference | None:
    look = next((at for at, (one, two) in enumerate(zip(chosen, other, strict=True)) if one != two), None)
    if look is None:
        return None
    step = look // given.looks
    differing: dict[str, tuple[str, str]] = {}
    at = 0
    for port in given.outputs:
        width = port.width or 1
        one, two = chosen[look][at : at + width], other[look][at : at + width]
        if one != two:
            differing[port.name] = one, two
        at += width
    return Difference(
        step=step,
        inputs={name: f"{value:x}" for name, value in given.rows[step].items()},
        chosen={name: one for name, (one, _) in differing.items()},
        other={name: two for name, (_, two) in differing.items()},
    )
