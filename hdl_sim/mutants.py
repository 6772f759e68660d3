"""Designs with one slip in them, which a testbench worth its name tells from the design.

Reads a design; writes its mutants. Which ones are drawn depends on the design, the seed and nothing else, and a larger
draw begins with the smaller one. A mutant differs from the design in more than layout, and from all others; it has no
error that the design has not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from hdl_sim.mutation_sites import Site, find_sites
from hdl_sim.normal_form import exact_key
from hdl_sim.slang import Source, parse, read_source, text_is_bounded
from hdl_sim.tokens import plain_lines

# Slips tried for each mutant wanted, on the whole: some do not compile, and a hostile text could have nothing else.
_TRIES = 4
_MOST_SITES = 20_000
_MOST_TEXT = 4_000_000  # bytes of all mutants that are tried
_LONGEST_CHANGE = 100


@dataclass(frozen=True, slots=True)
class Mutant:
    """A design with one slip.

    Attributes:
        kind: what sort of slip, such as ``comparison`` or ``reset value``.
        line: where in the design, from 1.
        change: what was changed, in a few words on one line.
        code: the whole text.
    """

    kind: str
    line: int
    change: str
    code: str


def mutants(design: str, *, count: int, seed: str) -> tuple[Mutant, ...]:
    """At most ``count`` mutants of a design, of as many kinds as there are; none of a text that cannot be read.

    Every kind has its turn before any has a second one, so that the rare ones are among them.
    """
    design = plain_lines(design)
    if not text_is_bounded(design):
        return ()
    original = read_source(design)
    if original.refused or original.syntax_errors:
        return ()
    text = design.encode()
    try:
        sites = list(islice(find_sites(parse(design), text, _ports(original)), _MOST_SITES))
    except RuntimeError:  # nested too deep
        return ()
    found: list[Mutant] = []
    seen = {exact_key(design)}
    allowed = _errors(original)
    tries = min(_TRIES * count + 50, _MOST_TEXT // (len(text) + 1) + 1)
    for site in islice(_in_turn(sites, seed), tries):
        if len(found) >= count:
            break
        code = _apply(text, site)
        key = exact_key(code)
        if key not in seen and not _errors(read_source(code)) - allowed:
            seen.add(key)
            found.append(Mutant(site.kind, text.count(b"\n", 0, site.edits[0][0]) + 1, _change(text, site), code))
    return tuple(found)


def _ports(source: Source) -> dict[str, tuple[dict[str, int | None], dict[str, int | None]]]:
    return {
        module.name: (
            {port.name: port.width for port in module.ports if port.direction == "input"},
            {port.name: port.width for port in module.ports if port.direction == "output"},
        )
        for module in source.modules
    }


def _errors(source: Source) -> Counter[str | None]:
    return Counter(error.code for error in source.errors)


def _in_turn(sites: Sequence[Site], seed: str) -> Iterator[Site]:
    """The sites, one of each kind at a time, in an order that the seed decides."""
    kinds: dict[str, list[Site]] = {}
    for site in sorted(sites, key=lambda site: _lot(seed, site.kind, site.edits)):
        kinds.setdefault(site.kind, []).append(site)
    turns = sorted(kinds, key=lambda kind: _lot(seed, kind))
    for place in range(max(map(len, kinds.values()), default=0)):
        for kind in turns:
            if place < len(kinds[kind]):
                yield kinds[kind][place]


def _lot(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode(errors="replace")).digest()


def _apply(text: bytes, site: Site) -> str:
    for start, end, other in sorted(site.edits, reverse=True):
        text = text[:start] + other.encode() + text[end:]
    return text.decode(errors="replace")


def _change(text: bytes, site: Site) -> str:
    start, end, other = site.edits[0]
    other = other.strip()
    old = text[start:end].decode(errors="replace")
    what = site.what or (f"{old} became {other}" if other else f"{old} is missing")
    what = " ".join(what.split())
    return what if len(what) <= _LONGEST_CHANGE else what[: _LONGEST_CHANGE - 3] + "..."
