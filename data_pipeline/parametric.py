"""The offline teacher: problems with proven answers from parametric circuit families, deterministic from a seed.

Reads nothing but its seed; writes drafts (for training) and problems (held out). A design is held out by the hash of
its RTL with canonical names, so no held-out function is ever trained on under other names; every held-out problem is
also worded in a frame that training never uses, and half of them with a headline that it never uses either.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autovcoder.prompt import user_text
from autovcoder.records import Draft, Problem, content_id
from data_pipeline.bench import make_bench
from data_pipeline.circuit import Circuit, Family, header, render
from data_pipeline.families import FAMILIES
from data_pipeline.phrasing import Wording, word

HELD_OUT_SHARE = 10
"""One design in so many is held out."""


@dataclass(frozen=True)
class Design:
    """One circuit of a family, with the parameters that made it."""

    family: Family
    parameters: dict[str, Any]
    circuit: Circuit

    @property
    def key(self) -> str:
        """What identifies the function: the RTL under canonical names."""
        return content_id(render(self.circuit, "m", {}))

    @property
    def reference_model(self) -> str:
        """The call that rebuilds this design and its Python model."""
        return f"data_pipeline.families.FAMILIES[{self.family.name!r}].build(**{json.dumps(self.parameters)})"


def is_held_out(key: str) -> bool:
    """Whether the design of this key is kept from training."""
    return int(key[:8], 16) % HELD_OUT_SHARE == 0


class ParametricTeacher:
    """Draws designs and words them.

    The families' designs are built once (about two seconds); ``train`` and ``held_out`` are disjoint by key.
    """

    def __init__(self) -> None:
        self.train: dict[str, list[Design]] = {}
        self.held_out: dict[str, list[Design]] = {}
        for family in FAMILIES.values():
            seen: dict[str, Design] = {}
            for parameters in family.parameters():
                design = Design(family, parameters, family.build(**parameters))
                seen.setdefault(design.key, design)
            self.train[family.name] = [d for key, d in seen.items() if not is_held_out(key)]
            self.held_out[family.name] = [d for key, d in seen.items() if is_held_out(key)]

    def draw_design(self, rng: random.Random) -> Design:
        """A training design. Larger families are drawn more often, though far less than in proportion."""
        weights = [len(designs) ** 0.35 for designs in self.train.values()]
        name = rng.choices(list(self.train), weights=weights)[0]
        return rng.choice(self.train[name])

    def _draw(self, seed: int, index: int) -> tuple[Design, Wording]:
        rng = random.Random(f"draft {seed} {index}")
        design = self.draw_design(rng)
        return design, word(design.circuit, rng)

    def problem_text(self, seed: int, index: int) -> str:
        """The problem of ``draft(seed, index)`` alone."""
        return _as_prompt(self._draw(seed, index)[1])

    def draft(self, seed: int, index: int) -> Draft:
        """The ``index``-th training draft of ``seed``."""
        design, wording = self._draw(seed, index)
        problem = _as_prompt(wording)
        code = answer(design.circuit, wording)
        return Draft(
            id=content_id(problem, code),
            problem=problem,
            circuit_type=design.family.circuit_type,
            level=design.family.level,
            topic=design.family.topic,
            code=code,
            testbench=make_bench(design.circuit, wording.module, wording.names, f"bench {seed} {index}"),
            reference_model=design.reference_model,
            teacher="parametric",
        )

    def problems(self, seed: int, count: int) -> Iterator[Problem]:
        """``count`` held-out problems, families in turn, alternately with a seen and an unseen headline."""
        families = [name for name, designs in self.held_out.items() if designs]
        for index in range(count):
            rng = random.Random(f"held out {seed} {index}")
            design = rng.choice(self.held_out[families[index % len(families)]])
            unseen = bool(index // len(families) % 2)
            wording = word(design.circuit, rng, held_out_frame=True, held_out_headline=unseen)
            code = answer(design.circuit, wording)
            spec = wording.text + ("\n\nWrite it in SystemVerilog." if wording.asked_language else "")
            yield Problem(
                id=f"{'headline' if unseen else 'frame'}.{design.family.name}.{content_id(spec, code)[:12]}",
                suite="parametric",
                category=design.family.name,
                spec=spec,
                interface=wording.header,
                bench=make_bench(design.circuit, wording.module, wording.names, f"held-out bench {seed} {index}"),
                reference=code,
            )


def _as_prompt(wording: Wording) -> str:
    return user_text(wording.text, wording.header, language=wording.language if wording.asked_language else None)


def answer(circuit: Circuit, wording: Wording) -> str:
    """The reference RTL under the names, language and header layout that the wording fixes."""
    code = render(circuit, wording.module, wording.names, wording.language)
    if wording.header is None:
        return code
    standard = header(circuit, wording.module, wording.names, wording.language)
    return code.replace(standard, wording.header, 1)
