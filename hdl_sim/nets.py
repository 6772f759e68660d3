"""What a netlist must not hold to be compared by proof: clocks that are data or logic, and x that decides something.

Reads the ports and cells of one netlist of Yosys; writes nothing. ``clk2fflogic`` samples a register's inputs one step
before its edge, which no net that changes with the clock may notice; and a simulator makes an x that decides a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

# Registers and latches that are understood; of those with two asynchronous inputs, or one that loads, none is.
_STATE = frozenset({"$dff", "$dffe", "$adff", "$adffe", "$sdff", "$sdffe", "$sdffce", "$dlatch"})
_NEVER = frozenset({
    "$aldff", "$aldffe", "$dffsr", "$dffsre", "$sr", "$adlatch", "$dlatchsr", "$ff", "$mem", "$mem_v2", "$memrd",
    "$memrd_v2", "$memwr", "$memwr_v2", "$meminit", "$meminit_v2", "$lut", "$fsm", "$eqx", "$nex",
})  # fmt: skip
_SHIFTS = frozenset({"$shl", "$shr", "$sshl", "$sshr", "$shift", "$shiftx"})
_DIVIDE = frozenset({"$div", "$mod", "$divfloor", "$modfloor"})
_NOT = frozenset({"$not", "$logic_not"})
_IN_FUNCTION, _OF_PROCESS = "$func$", "$procmux$"


def makes_x(cell: Mapping[str, Any]) -> bool:
    """Whether the cell's output may be x where no input is: what is divided by may be zero."""
    by = cell["connections"].get("B", [])
    return cell["type"] == "$pow" or (cell["type"] in _DIVIDE and "1" not in by)


def is_faithful(module: Mapping[str, Any]) -> bool:
    """Whether the netlist is a circuit that simulation shows as it is.

    Asynchronous inputs are inputs of the design, or the inverse of one; no clock reaches what a register takes, even
    through logic.
    """
    cells = list(module["cells"].values())
    inputs = {bit for port in module["ports"].values() if port["direction"] == "input" for bit in port["bits"]}
    driven = [bit for cell in cells for pin in _outputs(cell) for bit in cell["connections"][pin]]
    if (
        len(set(driven)) < len(driven)
        or inputs & set(driven)
        or any(isinstance(bit, str) for bit in (*inputs, *driven))
    ):
        return False
    if any(cell["type"] in _NEVER or ("Q" in cell["connections"] and cell["type"] not in _STATE) for cell in cells):
        return False
    return _clocks_are_clocks(cells, inputs)


def _clocks_are_clocks(cells: Sequence[Mapping[str, Any]], inputs: set[Any]) -> bool:
    inverse = {
        cell["connections"]["Y"][0]: cell["connections"]["A"][0]
        for cell in cells
        if cell["type"] in _NOT and len(cell["connections"]["A"]) == len(cell["connections"]["Y"]) == 1
    }
    clocks: set[Any] = set()
    resets: set[Any] = set()
    for cell in cells:
        for pin in _asynchronous(cell):
            for bit in cell["connections"][pin]:
                source = inverse.get(bit, bit)
                if source not in inputs:
                    return False
                (resets if pin == "ARST" else clocks).add(source)
    if clocks & resets:
        return False
    reached = _reached(cells, clocks, through_registers=False)
    return not any(
        bit in reached
        for cell in cells
        if "Q" in cell["connections"]
        for pin, bits in cell["connections"].items()
        if pin != "Q" and pin not in _asynchronous(cell)
        for bit in bits
    )


def x_sources(module: Mapping[str, Any], *, no_x: bool) -> set[Any]:
    """The nets that are x, or may be where no input is; "x" among them if it stands in the netlist.

    Args:
        module: before anything was put in for what nothing drives, and before constants were folded.
        no_x: the text has none, so that what is chosen from where a process was read is Yosys' own.
    """
    cells = list(module["cells"].values())
    driven = {bit for cell in cells for pin in _outputs(cell) for bit in cell["connections"][pin]}
    driven |= {bit for port in module["ports"].values() if port["direction"] == "input" for bit in port["bits"]}
    driven |= {"0", "1"}
    unused = _of_unused_writes(module)
    used = {bit for port in module["ports"].values() for bit in port["bits"]}
    found: set[Any] = set()
    for name, cell in module["cells"].items():
        outputs = [bit for pin in _outputs(cell) for bit in cell["connections"][pin]]
        own = unused.issuperset(outputs) or (no_x and _OF_PROCESS in name)
        read = {bit for pin in cell["connections"].keys() - set(_outputs(cell)) for bit in cell["connections"][pin]}
        used |= read - ({"x"} if own else set())
        values = [str(cell["parameters"].get(name, "")) for name in ("ARST_VALUE", "SRST_VALUE")]
        if makes_x(cell) or any("x" in value for value in values):
            found.update(outputs)
        if cell["type"] == "$shiftx":
            index = cell["connections"]["B"]
            most = (1 << min(len(index), 32)) - 1 + len(outputs)
            if int(str(cell["parameters"]["B_SIGNED"]), 2) or most > len(cell["connections"]["A"]):
                found.update(outputs)
    return found | (used - driven)


def x_decides(module: Mapping[str, Any], sources: set[Any], *, no_x: bool) -> bool:
    """Whether an x chooses, shifts or controls a register: there a simulator makes a value of it.

    Or may be what a function held since its last call, which is no part of a circuit.
    """
    if sources and any(_IN_FUNCTION in name for name in module["netnames"]):
        return True
    cells = list(module["cells"].values())
    unused = _of_unused_writes(module)
    start = sources - {"x", "z"}
    for name, cell in module["cells"].items():
        outputs = {bit for pin in _outputs(cell) for bit in cell["connections"][pin]}
        own = outputs <= unused or (no_x and _OF_PROCESS in name)
        if not own and any({"x", "z"} & set(bits) for bits in cell["connections"].values()):
            start |= outputs
            if any({"x", "z"} & set(cell["connections"][pin]) for pin in _deciding(cell)):
                return True
    reached = _reached(cells, start, through_registers=True)
    return any(bit in reached for cell in cells for pin in _deciding(cell) for bit in cell["connections"][pin])


def _of_unused_writes(module: Mapping[str, Any]) -> set[Any]:
    """The nets of Yosys' own that say where, what and whether a memory is written, and are x where unused."""
    found = {
        bit for name, net in module["netnames"].items() if net["hide_name"] and "$memwr$" in name for bit in net["bits"]
    }
    choices = [cell for cell in module["cells"].values() if cell["type"] in ("$mux", "$pmux")]
    elsewhere: dict[Any, set[int]] = defaultdict(set)
    for cell in module["cells"].values():
        for pin, bits in cell["connections"].items():
            inside = cell["type"] in ("$mux", "$pmux") and pin in ("A", "B")
            for bit in bits if pin not in _outputs(cell) else ():
                elsewhere[bit].add(id(cell) if inside else -1)
    known: set[int] = set()
    while True:  # what such a net alone is chosen from is one too
        more = {id(cell) for cell in choices if found.issuperset(cell["connections"]["Y"])} - known
        if not more:
            return found
        known |= more
        for cell in choices:
            if id(cell) in more:
                bits = [*cell["connections"]["A"], *cell["connections"]["B"]]
                found.update(bit for bit in bits if not isinstance(bit, str) and elsewhere[bit] <= known)


def _deciding(cell: Mapping[str, Any]) -> Iterator[str]:
    for pin in cell["connections"]:
        if pin in ("S", "EN", "CLK", "ARST", "SRST") or (pin == "B" and cell["type"] in _SHIFTS):
            yield pin


def _asynchronous(cell: Mapping[str, Any]) -> tuple[str, ...]:
    if "Q" not in cell["connections"]:
        return ()
    if cell["type"] == "$dlatch":
        return ("EN",)
    return tuple(pin for pin in ("CLK", "ARST") if pin in cell["connections"])


def _outputs(cell: Mapping[str, Any]) -> list[str]:
    return [pin for pin, direction in cell["port_directions"].items() if direction == "output"]


def _reached(cells: Sequence[Mapping[str, Any]], start: Iterable[Any], *, through_registers: bool) -> set[Any]:
    """The nets that depend on some of ``start``, without delay or, where asked, after some edges; these included."""
    readers: dict[Any, list[int]] = defaultdict(list)
    for number, cell in enumerate(cells):
        if through_registers or "CLK" not in cell["connections"]:
            for pin in cell["connections"].keys() - set(_outputs(cell)):
                for bit in cell["connections"][pin]:
                    readers[bit].append(number)
    reached, waiting, done = set(start), list(start), set()
    while waiting:
        for number in readers[waiting.pop()]:
            if number not in done:
                done.add(number)
                new = {bit for pin in _outputs(cells[number]) for bit in cells[number]["connections"][pin]} - reached
                reached |= new
                waiting += new
    return reached
