"""The offline teacher: problems with proven answers from parametric circuit families, deterministic from a seed.

Reads nothing but its seed; writes drafts (for training) and problems (held out). A design is held out by the hash of
its RTL with all names numbered, so no held-out RTL is ever trained on under other names, nor in the other language, nor
the same circuit in another style of code; every held-out problem is also worded in a frame that training never uses,
and half of them with a headline that it never uses either.
"""

from __future__ import annotations

import difflib
import itertools
import random
import re
import string
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autovcoder.errors import InputError
from autovcoder.prompt import user_text
from autovcoder.records import Bench, CircuitType, Draft, Level, Problem, content_id
from data_pipeline.bench import make_batch_bench, make_bench
from data_pipeline.circuit import Circuit, Family, Names
from data_pipeline.families import FAMILIES
from data_pipeline.phrasing import Wording, word
from data_pipeline.render import header, render

HELD_OUT_SHARE = 10
"""One design in so many is held out."""
_MOST_DRAWS = 20
"""Draws for each distinct pair wanted."""
_TOP = "the_module"
"""Of a design whose names count for nothing; a made-up circuit may have a port `m`, and none is called this."""
_SPLIT = 13  # chosen so that every family has at least two designs held out


@dataclass(frozen=True)
class Design:
    """One circuit of a family, with the parameters that made it."""

    family: Family
    parameters: dict[str, Any]
    circuit: Circuit

    @cached_property
    def key(self) -> str:
        """What identifies the design whatever its names are; two families that write the same RTL share it."""
        return code_key(render(self.circuit, _TOP, {}))

    @cached_property
    def parts(self) -> frozenset[str]:
        """The keys of its modules where it has several, each by itself; none where it is one module."""
        return frozenset(module_keys(render(self.circuit, _TOP, {}))) if self.circuit.submodules else frozenset()

    @cached_property
    def content(self) -> str:
        """What a problem can tell of it: two designs that differ in their style of code alone share it."""
        circuit = self.circuit
        shown = (
            circuit.attachment.write("m", {p.name: p.name for p in circuit.ports}, "verilog-2001")
            if (circuit.attachment)
            else ""
        )
        told = [[*fact.features, *fact.sentences] for fact in circuit.facts]
        ports = [port.model_dump() for port in circuit.ports]
        return content_id(circuit.headlines, told, shown, ports, dict(circuit.parameters))

    def bench(self, seed: int, *modules: str, names: Names | None = None) -> Bench:
        """The bench for one module, or several at once (`make_batch_bench`).

        In a run of one seed it has the same vectors for every problem that words the design, so that what is measured
        on one bench holds for all.
        """
        return make_batch_bench(self.circuit, modules, names or {}, f"bench {seed} {self.key}")

    @property
    def reference_model(self) -> str:
        """The call that rebuilds this design and its Python model."""
        known = self.family.name in FAMILIES
        build = f"families.FAMILIES[{self.family.name!r}].build" if known else f"made_up.{self.family.name}"
        return f"data_pipeline.{build}(**{self.parameters!r})"


@dataclass(frozen=True)
class Drawn:
    """A design in one wording, with the answer; ``id`` is the draft's."""

    id: str
    design: Design
    wording: Wording
    problem: str
    code: str

    def draft(self, seed: int) -> Draft:
        """The whole draft, with the bench that its design has in a run of this seed."""
        family = self.design.family
        return Draft(
            id=self.id,
            problem=self.problem,
            circuit_type=family.circuit_type,
            level=family.level,
            topic=family.topic,
            code=self.code,
            testbench=self.design.bench(seed, self.wording.module, names=self.wording.names),
            reference_model=self.design.reference_model,
            teacher=ParametricTeacher.name,
        )


_KEYWORDS = frozenset(
    ["always", "and", "assign", "begin", "case", "default", "else", "end", "endcase", "endgenerate", "endmodule", "for",
     "generate", "genvar", "if", "initial", "input", "integer", "localparam", "module", "negedge", "or", "output",
     "parameter", "posedge"]
)  # fmt: skip


_LETTERS = frozenset(string.ascii_letters + "_")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_ANY_INPUT = re.compile(r"@\s*(?:\*|\(\s*\*\s*\))")
_MODULE = re.compile(r"^[ \t]*module\s+\w+\s*[#(;](?:(?!^[ \t]*module\s).)*?\bendmodule\b", re.DOTALL | re.MULTILINE)


def code_key(code: str) -> str:
    """What is left of RTL when layout, names and the choice of language are taken away.

    Names are numbered in order of appearance; keywords stay, so that ``posedge`` is not ``negedge``.
    """
    return _bare_key(_without_comments(code))


def module_keys(code: str) -> list[str]:
    """The key of each module in a text, by itself."""
    return [_bare_key(module) for module in _MODULE.findall(_without_comments(code))]


def _without_comments(code: str) -> str:
    return _COMMENT.sub(lambda found: " " * found[0].startswith("/*"), code)


def _bare_key(code: str) -> str:
    """The key of RTL that has no comments."""
    numbers: dict[str, str] = {}
    text = code.replace("always_comb", "always @(*)").replace("always_ff", "always")
    text = _ANY_INPUT.sub("@(*)", text)
    tokens = re.findall(r"\d*'[bdh][0-9a-fxz_]+|\$?[A-Za-z_]\w*|\d+|\S", text)
    kept = [token for token in tokens if token not in ("reg", "wire", "logic")]
    return content_id(
        [numbers.setdefault(t, f"n{len(numbers)}") if t[0] in _LETTERS and t not in _KEYWORDS else t for t in kept]
    )


def own_designs(problem: Problem) -> list[str]:
    """The keys of a reference's modules that the specification does not give."""
    given = set(module_keys(problem.spec))
    return [key for key in module_keys(problem.reference or "") if key not in given]


def is_held_out(key: str) -> bool:
    """Whether the design of this key is kept from training."""
    return int(content_id(_SPLIT, key)[:8], 16) % HELD_OUT_SHARE == 0


class ParametricTeacher:
    """Draws designs and words them.

    A `Teacher`. The families' designs are built once (some seconds). No design of ``train`` has the RTL of one that is
    held out, nor is told in the same words and written in another style, nor has one as its submodule.

    Args:
        families: their names; all when empty.

    Raises:
        InputError: there is no such family.
    """

    name = "parametric"

    def __init__(self, families: Collection[str] = ()) -> None:
        unknown = set(families) - FAMILIES.keys()
        if unknown:
            raise InputError("no such circuit family", where=", ".join(sorted(unknown)), fix=_nearest(min(unknown)))
        self.held_out: dict[str, list[Design]] = {}
        others: dict[str, list[Design]] = {}
        for family in FAMILIES.values():
            if families and family.name not in families:
                continue
            seen: dict[str, Design] = {}
            for parameters in family.parameters():
                design = Design(family, parameters, family.build(**parameters))
                seen.setdefault(design.key, design)
            held_out = self.held_out[family.name] = [design for key, design in seen.items() if is_held_out(key)]
            told = {design.content for design in held_out}
            others[family.name] = [
                design for key, design in seen.items() if not is_held_out(key) and design.content not in told
            ]
        self.train = {
            name: [one for one in designs if not any(map(is_held_out, one.parts))] for name, designs in others.items()
        }
        self._cumulative = _weights(self.train)

    def keep(self, designs: int, seed: int) -> None:
        """Draw from so many training designs only, taken from the families in turn."""
        waiting = {
            name: random.Random(f"keep {seed} {name}").sample(all_, len(all_)) for name, all_ in self.train.items()
        }
        self.train = {name: [] for name in waiting}
        while designs and any(waiting.values()):
            for name, left in waiting.items():
                if left and designs:
                    self.train[name].append(left.pop())
                    designs -= 1
        self._cumulative = _weights(self.train)

    def draw_design(self, rng: random.Random) -> Design:
        """A training design. Larger families are drawn more often, though far less than in proportion."""
        name = rng.choices(list(self.train), cum_weights=self._cumulative)[0]
        return rng.choice(self.train[name])

    def draw(self, rng: random.Random) -> tuple[Design, Wording]:
        """A training design and one wording of it."""
        design = self.draw_design(rng)
        return design, word(design.circuit, rng)

    def draft(self, topic: str, level: Level, circuit_type: CircuitType, seed: int) -> Draft:
        """A training draft of one of the families on a topic (`Family.topic`, or a family's name).

        Raises:
            InputError: there is no such family.
        """
        families = [
            family.name
            for family in FAMILIES.values()
            if self.train.get(family.name)
            and topic in (family.topic, family.name)
            and (level, circuit_type) == (family.level, family.circuit_type)
        ]
        if not families:
            raise InputError(f"no family is {circuit_type}, {level} and on this topic", where=topic)
        rng = random.Random(f"draft {topic} {level} {circuit_type} {seed}")
        design = rng.choice(self.train[rng.choice(families)])
        return written(design, word(design.circuit, rng)).draft(seed)

    def drawn(self, seed: int, index: int) -> Drawn:
        """The ``index``-th training draft of ``seed``, on whatever topic it is, without its bench."""
        return written(*self.draw(random.Random(f"draft {seed} {index}")))

    def distinct(self, seed: int, count: int) -> list[int]:
        """The first ``count`` indices whose drafts are all different; fewer where new ones hardly come any more."""
        found: list[int] = []
        seen: set[str] = set()
        for index in itertools.count():
            if len(found) == count or index > _MOST_DRAWS * count:
                return found
            draft_id = self.drawn(seed, index).id
            if draft_id not in seen:
                seen.add(draft_id)
                found.append(index)
        raise AssertionError("counting ends")

    def problems(self, seed: int, count: int) -> Iterator[Problem]:
        """``count`` different held-out problems, families in turn, alternately with a seen and an unseen headline."""
        families = [name for name, designs in self.held_out.items() if designs]
        found: set[str] = set()
        for index in range(_MOST_DRAWS * (count + len(families))):
            if len(found) == count or not families:
                break
            unseen = bool((index + index // len(families)) % 2)
            problem = self._problem(families[index % len(families)], unseen, f"{seed} {index}")
            # A family with few held-out designs comes to the same problem again.
            if problem.id not in found:
                found.add(problem.id)
                yield problem
        if len(found) < count:
            raise InputError(f"these families give {len(found)} held-out problems, not {count}", fix="ask for fewer")

    def _problem(self, family: str, unseen_headline: bool, seed: str) -> Problem:
        rng = random.Random(f"held out {seed}")
        design = rng.choice(self.held_out[family])
        kind = f"{'headline' if unseen_headline else 'frame'}.{family}"
        return held_out_problem(design, rng, kind, family, seed, unseen_headline=unseen_headline)


def held_out_problem(
    design: Design, rng: random.Random, kind: str, category: str, seed: str, *, unseen_headline: bool = False
) -> Problem:
    """A problem for this design, worded as no training text is.

    Args:
        kind: what its id begins with. ``seed``: of its bench.
    """
    wording = word(design.circuit, rng, held_out_frame=True, held_out_headline=unseen_headline)
    code = answer(design.circuit, wording)
    spec = wording.text + ("\n\nWrite it in SystemVerilog." if wording.asked_language else "")
    return Problem(
        id=f"{kind}.{content_id(spec, wording.header, code)[:12]}",
        suite="parametric",
        category=category,
        spec=spec,
        interface=wording.header,
        bench=make_bench(design.circuit, wording.module, wording.names, f"held-out bench {seed}"),
        reference=code,
    )


def _weights(designs: Mapping[str, Sequence[Design]]) -> list[float]:
    return list(itertools.accumulate(len(ours) ** 0.35 for ours in designs.values()))


def written(design: Design, wording: Wording) -> Drawn:
    """The design as a draft in this wording."""
    problem, code = as_prompt(wording), answer(design.circuit, wording)
    return Drawn(content_id(problem, code), design, wording, problem, code)


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, FAMILIES, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(FAMILIES))}"


def as_prompt(wording: Wording) -> str:
    """The problem as a model is asked it."""
    return user_text(wording.text, wording.header, language=wording.language if wording.asked_language else None)


def answer(circuit: Circuit, wording: Wording) -> str:
    """The reference RTL under the names, language and header layout that the wording fixes."""
    code = render(circuit, wording.module, wording.names, wording.language)
    if wording.header is None:
        return code
    standard = header(circuit, wording.module, wording.names, wording.language)
    return code.replace(standard, wording.header, 1)
