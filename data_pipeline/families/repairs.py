"""Families of repairs: the problem shows a module with one mistake in it, and asks for the right one.

Reads the circuits of other families. Which mistake a design has follows from its parameters; all of them change what the
circuit does (tested), so that a model cannot hand the module back.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from autovcoder.records import Language, content_id
from data_pipeline.circuit import Attachment, Circuit, Family, Names
from data_pipeline.families import arithmetic, counters, machines, registers, selection
from data_pipeline.render import render

_INTROS = (
    "This attempt has a mistake in it; write the corrected module:",
    "The following module is faulty. Find the bug and fix it:",
    "A colleague wrote this, and it fails its tests. Give the repaired module:",
    "Correct this code, which does something else:",
    "What is wrong here? Answer with the whole corrected module:",
)
# What a mistake looks like: a pattern of the body, and what careless people write in its place.
_CLOCKED = (
    (r"if \(!(rst_n)\)", r"if (\1)"),
    (r"if \((rst)\)", r"if (!\1)"),
    (r"posedge clk\b", r"negedge clk"),
    (r"<= q \+ ", r"<= q - "),
    (r"if \(en\)", r"if (!en)"),
    (r"(?m)^( *)q <= (\d+)'d0;", r"\1q <= \2'd1;"),
    (r"== (\d+)'d(\d+)\)", lambda m: f"== {m[1]}'d{max(0, int(m[2]) - 1)})"),
    (r"\? (S\d) : (S\d);", lambda m: f"? {m[2]} : {m[1]};"),
    (r"\{q\[(\d+):0\], din\}", r"{din, q[\1:0]}"),
)
_COMBINATIONAL = (
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" & ", " | "),
    (r" < ", " > "),
    (r" >>> ", " >> "),
    (r"sel \? (\w+) : (\w+)", r"sel ? \2 : \1"),
    (r"(\d'd)0: y = ", r"\g<1>1: y = "),
    (r" \^ ", " & "),
    (r" == ", " != "),
    (r" \| ", " & "),
)
Slip = tuple[str, str | Callable[[re.Match[str]], str]]


def faulty_bodies(body: str, slips: Sequence[Slip]) -> Iterator[str]:
    """The body with one mistake, in every way that the list knows; each at its first place."""
    for pattern, wrong in slips:
        changed = re.sub(pattern, wrong, body, count=1)
        if changed != body:
            yield changed


def with_fault(circuit: Circuit, body: str) -> Circuit:
    """The problem to repair ``circuit``, shown with the faulty ``body``."""
    faulty = replace(circuit, body=body)

    def write(module: str, names: Names, language: Language) -> str:
        return render(faulty, module, names, language).rstrip()

    return replace(circuit, attachment=Attachment(_INTROS, write))


_BY_NAME = {
    family.name: family for group in (arithmetic, counters, machines, registers, selection) for family in group.FAMILIES
}
_CLOCKED_FAMILIES = [
    _BY_NAME[name] for name in ("counter", "modulo_counter", "sequence_detector", "register", "shift_register")
]
_COMBINATIONAL_FAMILIES = [
    _BY_NAME[name] for name in ("mux", "comparator", "min_max", "adder", "subtractor", "alu", "shifter")
]


def _repair(families: Sequence[Family], slips: Sequence[Slip]) -> Callable[..., Circuit]:
    @functools.cache
    def shuffled(family: str) -> list[dict[str, Any]]:
        return sorted(known[family].parameters(), key=lambda parameters: content_id("repair", parameters))

    known = {family.name: family for family in families}

    def build(family: str, place: int) -> Circuit:
        chosen, spread = known[family], shuffled(family)
        # From the chosen place on, the first design that the list of mistakes has something for.
        for parameters in itertools.islice(itertools.cycle(spread), place * len(spread) // _EACH, None):
            circuit = chosen.build(**parameters)
            bodies = list(faulty_bodies(circuit.body, slips))
            if bodies:
                return with_fault(circuit, bodies[int(content_id(parameters)[:6], 16) % len(bodies)])
        raise AssertionError("a cycle does not end")

    return build


_EACH = 32


def _family(name: str, families: Sequence[Family], slips: Sequence[Slip], circuit_type: Any) -> Family:
    space = {"family": tuple(family.name for family in families), "place": tuple(range(_EACH))}
    return Family(name, "bug fixing", "medium", circuit_type, space, _repair(families, slips))


FAMILIES = (
    _family("repair_clocked", _CLOCKED_FAMILIES, _CLOCKED, "sequential"),
    _family("repair_logic", _COMBINATIONAL_FAMILIES, _COMBINATIONAL, "combinational"),
)
