"""Slips of declaration that are mended by rule: nets and variables, and what is declared twice, late or not at all.

Reads a text and its diagnostics; writes nothing. A rule proposes, the front ends decide (`repair.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autovcoder.records import Diagnostic
from hdl_sim.declarations import declarations
from hdl_sim.finding import Finding, Proposal, spliced
from hdl_sim.tokens import Token, statement_end, tokens

_WORD = re.compile(r"[A-Za-z_]\w*")
_EVENTS = 60  # tokens of a list of events
_QUOTED = re.compile(r"[`'\"]([A-Za-z_][\w$]*)[`'\"]")


def nets_to_registers(finding: Finding) -> Iterator[Proposal]:
    """``output q`` or ``wire q`` that a procedure drives."""
    edits: dict[int, tuple[int, int, str]] = {}
    names: set[str] = set()
    for fault in (*finding.coded("AssignToNet"), *finding.saying("is not a valid l-value")):
        at = finding.offset(fault)
        told = _QUOTED.search(fault.message) if fault.code is None else None
        word = _WORD.search(finding.text, at)
        name = told[1] if told else word[0] if word and fault.code else fault.message.split(" ")[0]
        declaration = finding.declared_at(at).get(name)
        place = (declaration.net or declaration.direction) if declaration else None
        if declaration is None or place is None or declaration.initialised or declaration.variable:
            continue
        edits[place.start] = (place.start, place.end, "reg" if declaration.net else f"{place.text} reg")
        names.add(name)
    if edits:
        yield spliced(finding.text, edits.values()), f"declared {', '.join(sorted(names))} as reg"


def registers_to_nets(finding: Finding) -> Iterator[Proposal]:
    """``reg q`` that a primitive or an instance drives."""
    for fault in finding.saying("cannot be driven by"):
        name = re.match(r"(?:\S+ )?([A-Za-z_]\w*)", fault.message)
        declaration = finding.declared_at(finding.offset(fault)).get(name[1]) if name else None
        if declaration and declaration.variable:
            place = declaration.variable
            yield spliced(finding.text, [(place.start, place.end, "wire")]), f"declared {declaration.name} as wire"


def edges_of_nothing(finding: Finding) -> Iterator[Proposal]:
    """``always @(posedge clk or posedge rst)`` in a module that has no such input: what is there remains.

    Without any clock the block computes always; a reset that is not there never comes.
    """
    undeclared: dict[int, set[str]] = {}
    for fault in finding.coded("UndeclaredIdentifier", "TypoIdentifier"):
        name, span = _QUOTED.search(fault.message), finding.span_at(finding.offset(fault))
        if name and span:
            undeclared.setdefault(finding.spans.index(span), set()).add(name[1])
    edits: list[tuple[int, int, str]] = []
    gone: set[str] = set()
    for number, names in undeclared.items():
        span = finding.spans[number]
        seen = [token for token in tokens(finding.text, span.start) if token.end <= span.end]
        for edit, lost in _without_edges(seen, names):
            edits.append(edit)
            gone |= lost
    if gone:
        lost_names = ", ".join(sorted(gone))
        yield spliced(finding.text, edits), f"removed edges of {lost_names}, which the module does not have"


def _without_edges(seen: Sequence[Token], undeclared: set[str]) -> Iterator[tuple[tuple[int, int, str], set[str]]]:
    """Edits, each with the names that it takes out of a list of events."""
    levels: dict[str, str] = {}
    listed: set[int] = set()
    for place, token in enumerate(seen[:-1]):
        if token.text != "@" or seen[place + 1].text != "(":
            continue
        closing = next((at for at in range(place, min(place + _EVENTS, len(seen))) if seen[at].text == ")"), place)
        events = {
            seen[at + 1].text: seen[at].text for at in range(place, closing) if seen[at].text in ("posedge", "negedge")
        }
        missing = {name: edge for name, edge in events.items() if name in undeclared}
        if not missing:
            continue
        left = " or ".join(f"{edge} {name}" for name, edge in events.items() if name not in missing)
        yield (seen[place + 1].start, seen[closing].end, f"({left or '*'})"), set(missing)
        if not left and place and seen[place - 1].text == "always_ff":
            yield (seen[place - 1].start, seen[place - 1].end, "always"), set()
        levels |= {name: "1'b0" if edge == "posedge" else "1'b1" for name, edge in missing.items()}
        listed |= set(range(place, closing))
    for place, token in enumerate(seen):
        named = place > 0 and seen[place - 1].text == "."  # a port of another module
        if token.kind == "word" and token.text in levels and place not in listed and not named:
            yield (token.start, token.end, levels[token.text]), set()


def missing_loop_variables(finding: Finding) -> Iterator[Proposal]:
    """A loop over a variable that nobody declares."""
    for fault in finding.coded("UndeclaredIdentifier", "TypoIdentifier"):
        name = _QUOTED.search(fault.message)
        if not name or not re.search(rf"\bfor\s*\(\s*{re.escape(name[1])}\s*=", finding.text):
            continue
        for kind in ("integer", "genvar"):
            yield from _inserted(finding, fault, f"\n{kind} {name[1]};", f"declared the loop variable {name[1]}")


def missing_siblings(finding: Finding) -> Iterator[Proposal]:
    """``next_state`` where only ``state`` is declared, and the like."""
    for fault in finding.coded("UndeclaredIdentifier", "TypoIdentifier"):
        name = _QUOTED.search(fault.message)
        if not name:
            continue
        short = re.sub(r"^(?:next|n|nxt|prev|last)_|_(?:next|n|nxt|reg|r|d|ff|prev|temp|tmp)$", "", name[1])
        names = [short, f"{short}_reg", f"current_{short}", f"{short}_current"]
        declared = finding.declared_at(finding.offset(fault))
        sibling = next((declared[one] for one in names if one in declared and one != name[1]), None)
        if sibling is None:
            continue
        text = f"\nreg {sibling.width}{' ' if sibling.width else ''}{name[1]};"
        yield from _inserted(finding, fault, text, f"declared {name[1]} like {sibling.name}")


def _inserted(finding: Finding, fault: Diagnostic, text: str, change: str) -> Iterator[Proposal]:
    """``text`` behind the header of the module in which the fault is."""
    span = finding.span_at(finding.offset(fault))
    if span is not None and span.header_end is not None:
        yield spliced(finding.text, [(span.header_end, span.header_end, text)]), change


def misplaced_declarations(finding: Finding) -> Iterator[Proposal]:
    """A declaration behind a statement of its block, or behind the first use of its name."""
    for fault in finding.coded("DeclarationsAtStart"):
        start = finding.offset(fault)
        end = statement_end(finding.text, start)
        moved = finding.text[start:end]
        if "=" in moved:
            continue
        shorter = finding.text[:start] + finding.text[end:]
        yield from _inserted(Finding(shorter, (), finding.stated), fault, f"\n{moved}", f"moved '{moved}' up")
    for fault in finding.coded("UsedBeforeDeclared"):
        name = _QUOTED.search(fault.message)
        declaration = finding.declared_at(finding.offset(fault)).get(name[1]) if name else None
        if declaration is None or declaration.initialised or declaration.direction:
            continue
        start, end = declaration.start, statement_end(finding.text, declaration.start)
        moved = finding.text[start:end]
        shorter = finding.text[:start] + finding.text[end:]
        yield from _inserted(Finding(shorter, (), finding.stated), fault, f"\n{moved}", f"moved '{moved}' up")


def repeated_declarations(finding: Finding) -> Iterator[Proposal]:
    """A port that is declared in the header and again below, or a name that is declared twice."""
    for fault in finding.coded("PortDeclInANSIModule"):
        start = finding.offset(fault)
        end = statement_end(finding.text, start)
        yield spliced(finding.text, [(start, end, "")]), "removed a second declaration of ports"
    repeated = [*finding.coded("Redefinition"), *finding.saying("has already been declared")]
    for fault in repeated:
        name = _QUOTED.search(fault.message)
        span = finding.span_at(finding.offset(fault))
        inside = (span.start, span.end) if span else (0, len(finding.text))
        twice = [
            one
            for one in declarations(finding.text)
            if name and one.name == name[1] and inside[0] <= one.start <= inside[1]
        ]
        if len(twice) < 2:
            continue
        first, second = twice[0], twice[1]
        edits = [second.removal]
        if first.direction and second.variable and not (first.variable or first.net):
            edits.append((first.direction.end, first.direction.end, " reg"))
        yield spliced(finding.text, edits), f"removed the second declaration of {first.name}"
