"""Circuits made up from a number: expressions, selections and registers joined at random under names of no meaning.

Reads nothing; writes ``Circuit``s. There are as many as one likes and hardly two are alike, so that no model can know
one by heart: it has to read. `made_up` tells in words what its circuit does. `in_house` can leave that to a made-up
name, as a team says "our zorvex": what it does is then written in the team's library and nowhere else.
"""

from __future__ import annotations

import random
from dataclasses import replace

from data_pipeline.circuit import RESETS, WITH_RESET, Circuit, article, reset_fact
from data_pipeline.made_up_maker import FIRST_VALUES, Maker, coined

WIDTHS = (4, 5, 6, 8, 10, 12, 16, 20, 24, 32)


def made_up(number: int) -> Circuit:
    """The circuit of this number, told in words."""
    rng = random.Random(f"made up {number}")
    width, reset = rng.choice(WIDTHS), rng.choice(WITH_RESET)
    name = coined(rng, 2)
    circuit = Maker(rng, width, RESETS[reset]).circuit(name)
    kind = "clocked" if circuit.reset else "combinational"
    size = f"{width}-bit" if any(port.width == width for port in circuit.ports) else "small"
    headlines = (
        article(f"{size} {kind} circuit"),
        article(f"{kind} block of logic"),
        f"the {kind} circuit that is told here",
        article(f"{kind} unit as described"),
    )
    return replace(circuit, headlines=headlines)


def house_name(number: int) -> str:
    """What the house calls its circuit of this number."""
    rng = random.Random(f"house name {number}")
    return coined(rng, rng.choice((2, 2, 3)))


def in_house(number: int, width: int, reset: str, told: bool) -> Circuit:
    """The house's circuit of this number, in one of its sizes and with one of the resets (which a combinational one
    has no use for).

    Args:
        told: whether what it does is said in words; else its name alone tells, and how it is reset.
    """
    name = house_name(number)
    circuit = Maker(random.Random(f"in house {number}"), width, RESETS[reset]).circuit(name)
    return replace(
        circuit,
        headlines=(
            article(f"{width}-bit {name}"),
            f"our {name} for {width}-bit words",
            f"the {name} block, {width} bits wide",
            f"the {width}-bit version of the {name} unit",
        ),
        facts=circuit.facts if told else reset_fact(circuit.reset, FIRST_VALUES),
    )
