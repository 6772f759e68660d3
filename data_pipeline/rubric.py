"""The offline labeller: grades RTL on the five criteria of AutoVCoder's code scorer by rules, without a model.

Reads a module's text; writes nothing but the score. `TERMS` is the whole rubric, `SCALES` the only tuned numbers.

The criteria are those that the paper (arXiv 2407.18333) asks ChatGPT about. What rules can see of them
is form, not function: a well-kept module that computes the wrong thing scores high.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autovcoder.errors import InputError
from autovcoder.records import QualityScore, RtlModule
from data_pipeline.label import CRITERIA, as_score
from data_pipeline.rubric_blocks import BlockFacts
from data_pipeline.rubric_text import TextFacts, text_facts
from data_pipeline.rubric_tree import TreeFacts, tree_facts
from hdl_sim.tokens import plain_lines

VERSION = 1
# A term of this weight that is neither good nor bad belongs to every criterion: where few terms apply, little is known.
PRIOR = 2.0
MIDDLE = 6.0
"""The criterion of a module that is as good in it as the typical one.

Most terms are met by most code, so grades reach further down than up: with 6.0 half of the scores are above 5.6.
"""
SCALES = {
    "readability": (0.717, 31.3),
    "modular_design": (0.809, 21.6),
    "efficiency": (0.867, 33.2),
    "scalability": (0.420, 14.9),
    "robustness": (0.789, 27.6),
}
"""For each criterion, the weighted mean of its terms for a typical module, and how many points a unit of it is.

Tuned once, on 5,257 modules of 38 public repositories: the first is their median, the second gives the criterion a
standard deviation of 3.0. Of those modules, a quarter then score above 6.5.
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured of one module."""

    text: TextFacts
    tree: TreeFacts

    def blocks(self, *kinds: str) -> list[BlockFacts]:
        return [block for block in self.tree.blocks if block.kind in kinds]

    @property
    def procedures(self) -> list[BlockFacts]:
        return self.blocks("sequential", "combinational", "latch")


@dataclass(frozen=True, slots=True)
class Term:
    """One measure of the rubric: from 0 (bad) to 1 (good), or None where it does not apply to a module."""

    criterion: str
    weight: float
    what: str
    measure: Callable[[Facts], float | None]


def falls(value: float, good: float, bad: float) -> float:
    """1 up to ``good``, 0 from ``bad`` on, and a line between them."""
    return min(1.0, max(0.0, (bad - value) / (bad - good)))


def rises(value: float, enough: float) -> float:
    """0 for nothing, 0.63 for ``enough``, towards 1 for more: each further one is worth less."""
    return 1.0 - math.exp(-value / enough)


def share(part: float, whole: float) -> float | None:
    """The part of a whole; None where there is no whole."""
    return part / whole if whole else None


def _names(facts: Facts) -> float | None:
    names = [name for name in facts.tree.names if name not in ("i", "j", "k", "clk", "rst")]
    if not names:
        return None
    short = sum(len(name) == 1 for name in names) / len(names)
    return (falls(short, 0.05, 0.6) + falls(-sum(map(len, names)) / len(names), -9.0, -2.0)) / 2


def _layout(facts: Facts) -> float:
    text = facts.text
    return (falls(text.flat, 0.05, 0.5) + falls(text.mixed, 0.0, 0.3) + falls(text.crowded, 0.0, 0.2)) / 3


def _longest_block(facts: Facts) -> float | None:
    return falls(max(b.lines for b in facts.procedures), 20, 140) if facts.procedures else None


def _parts(facts: Facts) -> float | None:
    """Instances, functions, types and procedures for each hundred lines; None where a module needs no parts."""
    if facts.text.code_lines < 40:
        return None
    tree = facts.tree
    parts = 2 * (tree.instances + tree.functions + tree.types + tree.generates) + len(facts.procedures)
    return rises(100 * parts / facts.text.code_lines, 6.0)


def _depth(facts: Facts) -> float | None:
    return falls(max(b.depth for b in facts.procedures), 2, 8) if facts.procedures else None


def _latches(facts: Facts) -> float | None:
    blocks = facts.blocks("combinational")
    return falls(sum(b.latches for b in blocks), 0, 4) if blocks else None


def _kinds(facts: Facts) -> float | None:
    assignments = sum(b.assignments for b in facts.procedures)
    return falls(sum(b.wrong for b in facts.procedures) / assignments, 0.0, 0.3) if assignments else None


def _chain(facts: Facts) -> float | None:
    chains = [b.chain for b in facts.procedures if b.chain]
    return falls(max(chains), 3, 10) if chains else None


def _resets(facts: Facts) -> float | None:
    blocks = facts.blocks("sequential")
    return share(sum(b.reset for b in blocks), len(blocks))


def _listed(facts: Facts) -> float | None:
    blocks = facts.blocks("combinational")
    return 1 - sum(b.listed for b in blocks) / len(blocks) if blocks else None


def _typed(facts: Facts) -> float | None:
    return share(sum(b.typed for b in facts.procedures), len(facts.procedures))


TERMS: tuple[Term, ...] = (
    Term("readability", 3.0, "words of explanation in comments, by line", lambda f: rises(f.text.prose, 0.8)),
    Term("readability", 1.0, "a comment above the module", lambda f: float(f.text.headed)),
    Term("readability", 2.0, "names longer than a letter, and long enough to say something", _names),
    Term("readability", 1.0, "lines of at most 100 characters", lambda f: falls(f.text.long, 0.0, 0.2)),
    Term("readability", 1.5, "indented throughout, one way, one statement a line", _layout),
    Term("readability", 1.5, "no magic numbers", lambda f: falls(f.text.magic, 0.02, 0.5)),
    Term("readability", 1.0, "no commented-out code", lambda f: falls(f.text.dead, 0.0, 0.15)),
    Term("readability", 1.5, "no names told apart by numbers, none escaped",
         lambda f: falls(f.text.numbered + 2 * f.text.escaped, 0.05, 0.5)),
    Term("readability", 0.5, "ports declared once, in the header", lambda f: float(not f.tree.old_ports)),
    Term("modular_design", 3.0, "lines of code: 60 or fewer are best, 600 too many",
         lambda f: falls(math.log(f.text.code_lines), math.log(60), math.log(600))),
    Term("modular_design", 2.0, "the longest procedure: 20 lines are good, 140 too many", _longest_block),
    Term("modular_design", 1.5, "ports: 10 are good, 60 too many", lambda f: falls(f.tree.ports, 10, 60)),
    Term("modular_design", 1.5, "ports of instances connected by name",
         lambda f: share(f.tree.named, f.tree.named + f.tree.ordered)),
    Term("modular_design", 2.0, "made of instances, functions, types, generates and procedures", _parts),
    Term("modular_design", 1.5, "statements nested: 2 are good, 8 too many", _depth),
    Term("efficiency", 3.0, "no latch inferred", _latches),
    Term("efficiency", 2.5, "blocking and nonblocking where each belongs", _kinds),
    Term("efficiency", 2.0, "few dividers, and multipliers of variables", lambda f: falls(f.tree.costly, 0, 3)),
    Term("efficiency", 2.0, "arithmetic not written twice",
         lambda f: falls(f.tree.repeated / f.text.code_lines, 0.0, 0.08)),
    Term("efficiency", 1.5, "chains of ?: of at most 2",
         lambda f: falls(f.tree.ternary, 2, 7) if f.tree.ternary else None),
    Term("efficiency", 1.5, "chains of else-if of at most 3", _chain),
    Term("efficiency", 1.5, "nothing written out again and again", lambda f: falls(f.text.copied, 0.05, 0.6)),
    Term("scalability", 3.0, "parameters", lambda f: rises(f.tree.parameters, 2.0)),
    Term("scalability", 3.0, "ranges that names give, not numbers",
         lambda f: share(f.tree.named_ranges, f.tree.ranges)),
    Term("scalability", 1.0, "constants with a name", lambda f: rises(f.tree.constants, 3.0)),
    Term("scalability", 1.5, "generates and loops", lambda f: rises(f.tree.generates + f.tree.loops, 1.5)),
    Term("scalability", 1.0, "widths computed ($clog2, $bits, $size)", lambda f: rises(f.tree.sizes, 1.0)),
    Term("scalability", 1.5, "nothing written out again and again", lambda f: falls(f.text.copied, 0.05, 0.6)),
    Term("scalability", 1.0, "no magic numbers", lambda f: falls(f.text.magic, 0.02, 0.5)),
    Term("robustness", 2.0, "cases with a default, or all values", lambda f: share(f.tree.closed_cases, f.tree.cases)),
    Term("robustness", 2.5, "sequential procedures with a reset", _resets),
    Term("robustness", 2.0, "every output of a combinational procedure assigned on every path", _latches),
    Term("robustness", 1.0, "no sensitivity list written out", _listed),
    Term("robustness", 1.0, "procedures that say what they are (always_ff, always_comb)", _typed),
    Term("robustness", 2.5, "no warnings of width, sign or form",
         lambda f: falls(f.tree.slips / f.text.code_lines, 0.0, 0.06)),
    Term("robustness", 1.5, "no implicit nets", lambda f: falls(f.tree.implicit, 0, 2)),
    Term("robustness", 1.0, "no macro that nobody defines", lambda f: falls(f.tree.unknown_macros, 0, 4)),
    Term("robustness", 1.0, "no casex, no delays, no === in what is to be hardware",
         lambda f: falls(f.tree.casex + f.tree.delays + f.tree.unknown_compares, 0, 2)),
    Term("robustness", 1.0, "no initial blocks", lambda f: falls(len(f.blocks("once")), 0, 2)),
    Term("robustness", 0.5, "assertions", lambda f: rises(f.tree.assertions, 2.0)),
)  # fmt: skip


class RubricLabeller:
    """A `Labeller` that needs no model: some hundreds of modules a second on one core, the same score every time."""

    name = f"rubric-{VERSION}"

    def label(self, modules: Sequence[RtlModule]) -> list[QualityScore | None]:
        """Score modules; None where `grades` refuses one."""
        return [self._score(module.code) for module in modules]

    def _score(self, code: str) -> QualityScore | None:
        try:
            return as_score(self.name, grades(code))
        except InputError:
            return None


def grades(code: str) -> dict[str, float]:
    """The five criteria of a module, each from 0 to 10; a text with several modules is judged by the first.

    Raises:
        InputError: the code cannot be graded; says why (does not parse, too large, no module).
    """
    code = plain_lines(code)
    tree = tree_facts(code)  # first, for it refuses what is too large
    facts = Facts(text_facts(code), tree)
    return {
        name: min(10.0, max(0.0, MIDDLE + scale * (raw - typical)))
        for name, raw in raw_grades(facts).items()
        for typical, scale in [SCALES[name]]
    }


def raw_grades(facts: Facts) -> dict[str, float]:
    """For each criterion the weighted mean of the terms that apply and of the prior, from 0 to 1."""
    totals = {name: [PRIOR * 0.5, PRIOR] for name in CRITERIA}
    for term in TERMS:
        good = term.measure(facts)
        if good is not None:
            totals[term.criterion][0] += term.weight * good
            totals[term.criterion][1] += term.weight
    return {name: good / weight for name, (good, weight) in totals.items()}
