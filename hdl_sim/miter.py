"""Two netlists side by side, without their names, with registers of one name made outputs, to be compared by Yosys.

Reads netlists as Yosys writes them in JSON; writes one such netlist that holds both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hdl_sim.nets import is_faithful, makes_x, x_decides, x_sources
from hdl_sim.roles import reset_level

_WIDEST_INDEX = 10  # bits
_PERIODS = 2  # of the clock, for which a reset is held

Phase = tuple[dict[str, int], ...]
"""The values of input ports, by their new names, in each step of a reset."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two netlists in one.

    Attributes:
        netlist: for Yosys' ``read_json``: the modules ``gold`` and ``gate``.
        sequential: one of them has registers or latches.
        outputs: new names of the outputs, the first design's own.
        states: name to width of the outputs that show the registers that both designs have.
        open_states: those of them that have no initial value in the first design, so that a common one is assumed.
        all_shown: every register of the first design is among them.
        resets: ways to reset both designs; none where anything has an initial value.
        same_start: a register of the second design starts with a value of its own, or as one of the first does.
        has_x: something in them may be an x. ``x_is_any``: if so, it may be taken for a signal that is anything: the
            second design has none, and a simulator can make no value of one in the first.
        faithful: the netlists have no part that a simulator could treat otherwise (`nets.py`).
    """

    netlist: dict[str, Any]
    sequential: bool
    outputs: tuple[str, ...]
    states: dict[str, int]
    open_states: dict[str, int]
    all_shown: bool
    resets: tuple[Phase, ...]
    same_start: bool
    has_x: bool
    x_is_any: bool
    faithful: bool


def joined(
    gold: Mapping[str, Any], gate: Mapping[str, Any], raw: Sequence[Mapping[str, Any]], no_x: Sequence[bool]
) -> Pair | None:
    """Both netlists in one; None where their ports are not the same, or where they are not of a form that we know.

    Args:
        raw: both, before constants were folded. ``no_x``: of each, whether its text makes no x.
    """
    modules = [module for netlist in (gold, gate, *raw) if (module := _only_module(netlist)) is not None]
    if len(modules) != 2 + len(raw):
        return None
    raws = list(zip(modules[2:], no_x, strict=True))
    sources = [x_sources(module, no_x=none) for module, none in raws]
    faithful = all(is_faithful(module) for module in modules[:2])
    sides = [_Side(module) for module in modules[:2]]
    shapes = [{name: (port["direction"], len(port["bits"])) for name, port in side.ports.items()} for side in sides]
    directions = {direction for direction, _ in shapes[0].values()}
    if shapes[0] != shapes[1] or not directions <= {"input", "output"} or "output" not in directions:
        return None
    new = {name: f"p{number}" for number, name in enumerate(sorted(shapes[0]))}
    names = sorted(sides[0].registers.keys() & sides[1].registers.keys())
    # A register may have several names.
    shared = list({tuple(side.registers[key] for side in sides): key for key in names}.values())
    groups: dict[str, list[tuple[str, int]]] = {"open": [], "init": []}
    for key in shared:
        groups["init" if sides[0].registers[key] in sides[0].initial else "open"].append(key)
    states = {name: len(keys) for name, keys in groups.items() if keys}
    return Pair(
        netlist={
            "modules": {
                title: side.module(new, {name: groups[name] for name in states})
                for title, side in zip(("gold", "gate"), sides, strict=True)
            }
        },
        sequential=any(side.held for side in sides),
        outputs=tuple(new[name] for name, (direction, _) in sorted(shapes[0].items()) if direction == "output"),
        states=states,
        open_states={name: width for name, width in states.items() if name == "open"},
        all_shown=sides[0].held <= {sides[0].registers[key] for key in shared},
        resets=() if any(side.initial for side in sides) else tuple(_resets(sides, new)),
        same_start=sides[1].held - sides[1].initial <= {sides[1].registers[key] for key in groups["open"]},
        has_x=any(sources),
        x_is_any=all(side.x_is_any for side in sides) and not sources[1],
        faithful=faithful
        and not any(x_decides(one[0], found, no_x=one[1]) for one, found in zip(raws, sources, strict=True)),
    )


def _only_module(netlist: Mapping[str, Any]) -> dict[str, Any] | None:
    """The module that flattening left."""
    tops = [
        module
        for module in netlist["modules"].values()
        if int(str(module["attributes"].get("top", "0")), 2) and not module["attributes"].get("blackbox")
    ]
    return tops[0] if len(tops) == 1 else None


class _Side:
    """One netlist.

    Attributes:
        registers: (name, place) of each bit of a register or latch to the number of its net.
        initial: the nets that have an initial value. ``held``: those that a register or latch drives.
    """

    def __init__(self, module: Mapping[str, Any]) -> None:
        self._module = module
        self.ports: dict[str, Any] = module["ports"]
        self.cells: list[dict[str, Any]] = list(module["cells"].values())
        self.x_is_any = _make_x_explicit(self.cells)
        self.held = {bit for cell in self.cells if "Q" in cell["connections"] for bit in cell["connections"]["Q"]}
        self.registers: dict[tuple[str, int], int] = {}
        self.initial: set[Any] = set()
        for name, net in sorted(module["netnames"].items()):
            values = str(net["attributes"].get("init", ""))[::-1]  # the lowest bit first
            for place, bit in enumerate(net["bits"]):
                if values[place : place + 1] in ("0", "1"):
                    self.initial.add(bit)
                if bit in self.held and not net["hide_name"]:
                    self.registers[name, place] = bit

    def module(self, new: Mapping[str, str], groups: Mapping[str, Sequence[tuple[str, int]]]) -> dict[str, Any]:
        """The netlist with its ports renamed, further outputs, and no name that anybody else chose."""
        ports = {new[name]: {"direction": p["direction"], "bits": p["bits"]} for name, p in self.ports.items()}
        for name, keys in groups.items():
            ports[name] = {"direction": "output", "bits": [self.registers[key] for key in keys]}
        cells = {f"c{number}": {**cell, "attributes": {}} for number, cell in enumerate(self.cells)}
        initial = [net for net in self._module["netnames"].values() if "init" in net["attributes"]]
        netnames = {
            f"w{number}": {"bits": net["bits"], "attributes": {"init": net["attributes"]["init"]}}
            for number, net in enumerate(initial)
        }
        return {"attributes": {}, "ports": ports, "cells": cells, "netnames": netnames}

    def input_of(self, bit: Any) -> tuple[str, bool] | None:
        """The one-bit input that a net is, and whether it is inverted on the way."""
        for name, port in self.ports.items():
            if port["direction"] == "input" and port["bits"] == [bit]:
                return name, False
        for cell in self.cells:
            if cell["type"] in ("$not", "$logic_not") and cell["connections"].get("Y") == [bit]:
                source = cell["connections"]["A"]
                for name, port in self.ports.items():
                    if port["direction"] == "input" and port["bits"] == source and len(source) == 1:
                        return name, True
        return None


def _make_x_explicit(cells: Sequence[dict[str, Any]]) -> bool:
    """Put x behind the end of what cells select from; false where a cell makes an x in other ways."""
    explicit = True
    for cell in cells:
        if makes_x(cell):
            explicit = False
        if cell["type"] != "$shiftx":
            continue
        index, source = cell["connections"]["B"], cell["connections"]["A"]
        if len(index) > _WIDEST_INDEX or int(str(cell["parameters"]["B_SIGNED"]), 2):
            explicit = False
            continue
        missing = (1 << len(index)) + len(cell["connections"]["Y"]) - len(source)
        cell["connections"]["A"] = source + ["x"] * max(missing, 0)
        cell["parameters"]["A_WIDTH"] = f"{len(cell['connections']['A']):032b}"
    return explicit


def _resets(sides: Sequence[_Side], new: Mapping[str, str]) -> Iterator[Phase]:
    """A reset by all asynchronous inputs at once; then by each input named as one, at the level that its name says."""
    first = sides[0]
    clocks = {found[0] for side in sides for found in _inputs(side, "CLK")}
    active: dict[str, int] = {}
    for cell in first.cells:
        for pin in ("ARST", "ALOAD", "CLR", "SET"):
            bits = cell["connections"].get(pin, [])
            found = first.input_of(bits[0]) if len(bits) == 1 else None
            if found is not None:
                polarity = int(str(cell["parameters"].get(f"{pin}_POLARITY", "1")), 2) & 1
                active[found[0]] = polarity ^ found[1]
    choices = [active] if active else []
    for name, port in first.ports.items():
        free = port["direction"] == "input" and len(port["bits"]) == 1 and name not in clocks and name not in active
        level = reset_level(name) if free else None
        if level is not None:
            choices += [{**active, name: level}]
    for values in choices[-2:]:
        yield tuple(
            {new[name]: value for name, value in values.items()} | {new[clock]: step % 2 for clock in clocks}
            for step in range(2 * _PERIODS)
        )


def _inputs(side: _Side, pin: str) -> Iterator[tuple[str, bool]]:
    for cell in side.cells:
        bits = cell["connections"].get(pin, [])
        found = side.input_of(bits[0]) if len(bits) == 1 else None
        if found is not None:
            yield found
