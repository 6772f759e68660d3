"""Files in which what is asked for stands already, under other names or in another size: what teaches a model to read.

Reads made-up circuits and the families' designs; writes texts. In a file of the house, such as a team keeps of its own
blocks, one circuit stands two or three times among others, and the first time at most is it told what it does: whoever
writes the last one has to look above.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from data_pipeline.made_up_designs import draw_house_number, draw_made_up, draw_training_version
from data_pipeline.made_up_maker import coined
from data_pipeline.parametric import Design, ParametricTeacher, answer
from data_pipeline.phrasing import word
from data_pipeline.render import IDENTIFIER, rename, render
from hdl_sim.normal_form import KEYWORDS

_MODULE = re.compile(r"^\s*module\s+(\w+)", re.MULTILINE)


def described(design: Design, rng: random.Random, hand: Callable[[str], str] = str) -> str:
    """A design's module below a comment that tells of it.

    Args:
        hand: what is done to the code.
    """
    wording = word(design.circuit, rng, documentation=True)
    return as_comment(wording.text + "\n", rng) + hand(answer(design.circuit, wording))


def house_file(teacher: ParametricTeacher, rng: random.Random) -> str:
    """One file, by one hand: a circuit in two or three versions, and up to two others among them.

    Half of the others go by a name too: which of them is meant has to be seen from the name alone.
    """
    hand = draw_hand(rng)
    versions = rng.choice((2, 2, 2, 3))
    modules: list[str] = []
    if rng.random() < 0.3:
        modules += _copies(teacher, rng, versions, hand)
    else:
        number, told = draw_house_number(rng), rng.random() < 0.5

        def version() -> str:
            return described(draw_training_version(number, rng, told=told and not modules), rng, hand)

        for _ in range(versions):
            modules.append(another(modules, version))
    for _ in range(rng.choice((0, 1, 1, 2))):
        other = another(modules, lambda: described(_other(teacher, rng), rng, hand))
        modules.insert(rng.randrange(len(modules)), other)
    return "\n".join(modules)


def another(texts: Sequence[str], draw: Callable[[], str]) -> str:
    """A text drawn anew until it defines no module that one of ``texts`` defines; ``draw`` must be able to give one."""
    taken = {name for text in texts for name in _MODULE.findall(text)}
    while not taken.isdisjoint(_MODULE.findall(text := draw())):
        pass
    return text


def _other(teacher: ParametricTeacher, rng: random.Random) -> Design:
    draw = rng.random()
    if draw < 0.5:
        return draw_training_version(draw_house_number(rng), rng, told=rng.random() < 0.3)
    return draw_made_up(rng) if draw < 0.8 else teacher.draw_design(rng)


def _copies(teacher: ParametricTeacher, rng: random.Random, versions: int, hand: Callable[[str], str]) -> list[str]:
    """A family's module under names of no meaning, and the same again under other names for the module itself."""
    while True:
        circuit = teacher.draw_design(rng).circuit
        if not circuit.submodules:  # the names of its ports stand in their instances too
            break
    code = hand(render(circuit, "m", {}))
    found = dict.fromkeys(IDENTIFIER.findall(code))
    names: dict[str, str] = {}
    for name in found:
        if name not in KEYWORDS and name != "m":
            fresh = coined(rng, rng.choice((1, 2)))
            while fresh in names.values() or fresh in found:
                fresh = coined(rng, 2)
            names[name] = fresh
    modules = []
    for place in range(versions):
        module = f"{coined(rng, 2)}_{place}"
        first = f"{module}\n"
        again = rng.choice(("{}: the same again\n", "the same as {}\n", "as above, named {}\n", "{}\n")).format(module)
        modules.append(as_comment(again if place else first, rng) + rename(code, names | {"m": module}))
    return modules


_HABITS: tuple[tuple[float, str, str | tuple[str, ...]], ...] = (
    (0.3, r"\bif \(", "if("),
    (0.3, r"@ ?\(\*\)", ("@*", "@ *", "@ (*)")),
    (0.2, r" (<=|=) (?=[^;\n]*;)", r"\1"),
    (0.2, r" ([&|^+]) (?![&|^~+])", r"\1"),  # not before an operator that would join it
    (0.2, r" or (?=(?:pos|neg)edge)", ", "),
    (0.2, r"(= ?)1'[bd]([01]);", r"\1\2;"),  # not in a concatenation, which wants a size
    (0.2, r"(?m)^(module \w+) \(\n", r"\1(\n"),
    (0.15, r"\n\s+begin\b", " begin"),
)
"""How many lay their code out so, what they replace, and by what or by which of several."""


def draw_hand(rng: random.Random) -> Callable[[str], str]:
    """How somebody lays code out: indentation, spaces, what stands on a line; the same for every module it is given."""
    indent = rng.choice(("    ", "    ", "  ", "\t", "   "))
    steps = [
        (pattern, new if isinstance(new, str) else rng.choice(new))
        for share, pattern, new in _HABITS
        if rng.random() < share
    ]

    def lay_out(code: str) -> str:
        for pattern, new in steps:
            code = re.sub(pattern, new, code)
        return code if indent == "    " else code.replace("    ", indent)

    return lay_out


def as_comment(lines: str, rng: random.Random) -> str:
    """The lines as a comment of one of two kinds; nothing for none."""
    if not lines:
        return ""
    if rng.random() < 0.5:
        return "".join(f"// {line}\n" for line in lines.splitlines())
    return f"/* {lines.rstrip()} */\n"
