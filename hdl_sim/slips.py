"""The slips that are mended by rule: each rule knows one, and proposes the smallest change that would do away with it.

Reads a text and its diagnostics; writes nothing. A rule proposes, the front ends decide (`repair.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from autovcoder.records import Diagnostic, Port
from hdl_sim.declarations import Declaration, declarations
from hdl_sim.rename import rename_module
from hdl_sim.slang import Source, read_source
from hdl_sim.spans import module_spans
from hdl_sim.statement import Stated, main_module
from hdl_sim.tokens import Token, statement_end, tokens

_QUOTED = re.compile(r"[`'\"]([A-Za-z_][\w$]*)[`'\"]")
_CLOSERS = {"begin": "end", "case": "endcase", "casez": "endcase", "casex": "endcase", "function": "endfunction",
            "task": "endtask", "generate": "endgenerate", "fork": "join"}  # fmt: skip
_BARE = re.compile(r"\s*(?P<target>[A-Za-z_]\w*\s*(?:\[[^\];=]*\]\s*)*|\{[^{}=;]*\}\s*)(?P<sign><?=)(?!=)")
_NO_TARGETS = frozenset(
    ("assign", "parameter", "localparam", "if", "else", "for", "case", "begin", "end", "wire", "reg", "logic")
)
# Keywords of SystemVerilog that Verilog has not.
_NAMES_IN_VERILOG = frozenset(
    ("bit", "byte", "do", "final", "int", "logic", "priority", "unique", "var", "void", "this", "new", "next", "type",
     "string", "static", "local", "rand", "ref", "return", "before", "context", "cross", "expect", "matches", "solve",
     "super", "tagged", "with", "within", "interface", "packed", "property", "sequence", "assert", "cover", "global")
)  # fmt: skip
_BIT_KINDS = ("logic", "reg", "bit")


@dataclass(frozen=True)
class Finding:
    """A text, and what the front ends say of it."""

    text: str
    faults: Sequence[Diagnostic]
    stated: Stated

    @cached_property
    def declared(self) -> dict[str, Declaration]:
        """The first declaration of each name that is not one of a function or task."""
        found: dict[str, Declaration] = {}
        for declaration in declarations(self.text):
            found.setdefault(declaration.name, declaration)
        return found

    @cached_property
    def source(self) -> Source:
        return read_source(self.text)

    def coded(self, *codes: str) -> Iterator[Diagnostic]:
        return (fault for fault in self.faults if fault.code in codes)

    def saying(self, words: str) -> Iterator[Diagnostic]:
        return (fault for fault in self.faults if words in fault.message)

    def offset(self, fault: Diagnostic) -> int:
        """Where a fault is in the text; of one without a column where its line begins."""
        lines = self.text.split("\n")
        row = min(fault.line or 1, len(lines)) - 1
        start = sum(len(line) + 1 for line in lines[:row])
        # Columns count bytes.
        column = len(lines[row].encode()[: (fault.column or 1) - 1].decode(errors="ignore"))
        return start + column


Proposal = tuple[str, str]
"""A changed text, and what was changed in words."""


def _spliced(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """The text with (start, end, replacement) edits, none of which overlap."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def nets_to_registers(finding: Finding) -> Iterator[Proposal]:
    """``output q`` or ``wire q`` that a procedure drives."""
    found = [*finding.coded("AssignToNet"), *finding.saying("is not a valid l-value")]
    names = {}
    for fault in found:
        told = _QUOTED.search(fault.message) if fault.code is None else None
        word = re.compile(r"[A-Za-z_]\w*").search(finding.text, finding.offset(fault))
        name = told[1] if told else (word[0] if word and fault.code else fault.message.split(" ")[0])
        if name in finding.declared:
            names[name] = finding.declared[name]
    edits = {}
    for declaration in names.values():
        place = declaration.net or declaration.direction
        if place is None or declaration.initialised or declaration.variable:
            continue
        edits[place.start] = (place.start, place.end, "reg" if declaration.net else f"{place.text} reg")
    if edits:
        yield _spliced(finding.text, edits.values()), f"declared {', '.join(sorted(names))} as reg"


def registers_to_nets(finding: Finding) -> Iterator[Proposal]:
    """``reg q`` that a continuous assignment or an instance drives."""
    said = ("cannot be driven by", "Unable to assign to unresolved", "must have a single driver")
    for fault in (fault for words in said[:1] for fault in finding.saying(words)):
        name = re.match(r"(?:\S+ )?([A-Za-z_]\w*)", fault.message)
        declaration = finding.declared.get(name[1]) if name else None
        if declaration and declaration.variable:
            place = declaration.variable
            yield _spliced(finding.text, [(place.start, place.end, "wire")]), f"declared {declaration.name} as wire"


def enums_to_parameters(finding: Finding) -> Iterator[Proposal]:
    """Variables of an enumeration that get values which are not of it: the enumeration becomes parameters."""
    codes = ("EnumValueSizeMismatch", "NoImplicitConversion", "EnumValueOverflow")
    if not any(finding.coded(*codes)) and not any(finding.saying("requires an explicit cast")):
        return
    edits: list[tuple[int, int, str]] = []
    seen = list(tokens(finding.text))
    for place, token in enumerate(seen):
        if token.kind != "word" or token.text != "enum":
            continue
        opening = next((at for at in range(place, len(seen)) if seen[at].text in ("{", ";")), len(seen))
        closing = next((at for at in range(opening, len(seen)) if seen[at].text == "}"), None)
        if closing is None or seen[opening].text != "{":
            continue
        base = finding.text[token.end : seen[opening].start].strip()
        members = finding.text[seen[opening].end : seen[closing].start]
        kind = base if base.startswith(_BIT_KINDS) else f"logic {base}" if base.startswith("[") else base or "int"
        start = seen[place - 1].start if place and seen[place - 1].text == "typedef" else token.start
        width = re.search(r"\[[^\]]*\]", base)
        edits.append((start, start, f"localparam {width[0] + ' ' if width else ''}{_numbered(members)};\n"))
        edits.append((token.start, seen[closing].end, kind))
    if edits:
        yield _spliced(finding.text, edits), "made parameters of the enumeration's values"


def _numbered(members: str) -> str:
    """``A, B = 2, C`` with a value for each."""
    plain = re.sub(r"//[^\n]*|/\*.*?\*/", "", members, flags=re.DOTALL)
    parts, last = [], ""
    for member in (part.strip() for part in plain.split(",") if part.strip()):
        name, sign, value = (piece.strip() for piece in member.partition("="))
        parts.append(f"{name} = {value}" if sign else f"{name} = {last + ' + 1' if last else '0'}")
        last = name
    return ", ".join(parts)


def bare_assignments(finding: Finding) -> Iterator[Proposal]:
    """``y = a & b;`` outside of a procedure."""
    edits: dict[int, tuple[int, int, str]] = {}
    for fault in finding.coded("ExpectedDeclarator", "ExpectedMember", "ExpectedModuleInstance"):
        at = finding.offset(fault)
        start = max(finding.text.rfind("\n", 0, at), finding.text.rfind(";", 0, at)) + 1
        match = _BARE.match(finding.text, start)
        if match and re.split(r"\W", match["target"].strip("{ "))[0] not in _NO_TARGETS:
            edits[match.start("sign")] = (match.start("sign"), match.end("sign"), "=")
            edits[match.start("target")] = (match.start("target"), match.start("target"), "assign ")
    if edits:
        yield _spliced(finding.text, edits.values()), "wrote assign before assignments outside of procedures"


def keywords_as_names(finding: Finding) -> Iterator[Proposal]:
    """``reg [7:0] byte;``: a name that is a word of SystemVerilog."""
    seen = list(tokens(finding.text))
    for fault in finding.coded("ExpectedDeclarator", "ExpectedIdentifier", "ExpectedAnsiPort"):
        at = finding.offset(fault)
        place = next((place for place, token in enumerate(seen) if token.end >= at and token.kind == "word"), None)
        for near in (place, place + 1 if place is not None else None):
            if near is None or near >= len(seen) or seen[near].text not in _NAMES_IN_VERILOG:
                continue
            word = seen[near].text
            edits = [(token.end, token.end, "_value") for token in seen if token.kind == "word" and token.text == word]
            yield _spliced(finding.text, edits), f"renamed {word}, which is a keyword, to {word}_value"


def missing_loop_variables(finding: Finding) -> Iterator[Proposal]:
    """A loop over a variable that nobody declares."""
    for fault in finding.coded("UndeclaredIdentifier", "TypoIdentifier"):
        name = _QUOTED.search(fault.message)
        if not name or not re.search(rf"\bfor\s*\(\s*{name[1]}\s*=", finding.text):
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
        sibling = next((finding.declared[one] for one in names if one in finding.declared and one != name[1]), None)
        if sibling is None:
            continue
        text = f"\nreg {sibling.width}{' ' if sibling.width else ''}{name[1]};"
        yield from _inserted(finding, fault, text, f"declared {name[1]} like {sibling.name}")


def _inserted(finding: Finding, fault: Diagnostic, text: str, change: str) -> Iterator[Proposal]:
    """``text`` behind the header of the module in which the fault is."""
    at = finding.offset(fault)
    for span in module_spans(finding.text):
        if span.start <= at <= span.end and span.header_end is not None:
            yield _spliced(finding.text, [(span.header_end, span.header_end, text)]), change


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
        declaration = finding.declared.get(name[1]) if name else None
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
        yield _spliced(finding.text, [(start, end, "")]), "removed a second declaration of ports"
    repeated = [*finding.coded("Redefinition"), *finding.saying("has already been declared")]
    for fault in repeated:
        name = _QUOTED.search(fault.message)
        twice = [one for one in declarations(finding.text) if name and one.name == name[1]]
        if len(twice) < 2:
            continue
        first, second = twice[0], twice[1]
        edits = [second.removal]
        if first.direction and second.variable and not (first.variable or first.net):
            edits.append((first.direction.end, first.direction.end, " reg"))
        yield _spliced(finding.text, edits), f"removed the second declaration of {first.name}"


def unbraced_replications(finding: Finding) -> Iterator[Proposal]:
    """``{24{a}, b}`` for ``{{24{a}}, b}``."""
    if not any(
        finding.coded("ExpectedToken", "ExpectedContinuousAssignment", "UnexpectedEndDelim", "ExpectedExpression")
    ):
        return
    seen = list(tokens(finding.text))
    edits = []
    for place in range(len(seen) - 3):
        if [seen[place].text, seen[place + 2].text] != ["{", "{"] or seen[place + 1].kind not in ("number", "word"):
            continue
        closing = _closing(seen, place + 2)
        if closing is not None and closing + 1 < len(seen) and seen[closing + 1].text == ",":
            edits += [(seen[place + 1].start, seen[place + 1].start, "{"), (seen[closing].end, seen[closing].end, "}")]
    # The same where it is not the first part.
    for place in range(len(seen) - 3):
        if seen[place].text == "," and seen[place + 2].text == "{" and seen[place + 1].kind == "number":
            closing = _closing(seen, place + 2)
            if closing is not None:
                edits += [
                    (seen[place + 1].start, seen[place + 1].start, "{"), (seen[closing].end, seen[closing].end, "}")
                ]  # fmt: skip
    if edits:
        yield _spliced(finding.text, edits), "put a replication into braces of its own"


def _closing(seen: Sequence[Token], opening: int) -> int | None:
    depth = 0
    for place in range(opening, len(seen)):
        depth += {"{": 1, "}": -1}.get(seen[place].text, 0)
        if depth == 0:
            return place
    return None


def unfinished_text(finding: Finding) -> Iterator[Proposal]:
    """An answer that was cut off: what is not a whole statement goes, and what is open is closed."""
    if not any(finding.coded("ExpectedToken", "ExpectedExpression", "ExpectedStatement", "UnexpectedEndOfFile",
                             "ExpectedIdentifier", "MisplacedTrailingSeparator", "ExpectedMember")):  # fmt: skip
        return
    seen = list(tokens(finding.text))
    while seen and seen[-1].text == "endmodule":
        seen.pop()
    if not seen:
        return
    for keep_last in (True, False):
        cut = _last_whole(seen) if not keep_last else seen[-1].end
        if cut is None:
            continue
        kept = [token for token in seen if token.end <= cut]
        closers = _open(kept)
        if closers is None:
            continue
        text = finding.text[:cut] + "".join(f"\n{closer}" for closer in closers) + "\nendmodule\n"
        yield text, "closed what was left open at the end"


def _last_whole(seen: Sequence[Token]) -> int | None:
    """The end of the last statement that is whole: behind its ``;`` or its ``end``."""
    depth, last = 0, None
    for token in seen:
        depth += {"(": 1, ")": -1, "{": 1, "}": -1}.get(token.text, 0)
        if depth == 0 and (token.text == ";" or (token.kind == "word" and token.text in _CLOSERS.values())):
            last = token.end
    return last


def _open(seen: Sequence[Token]) -> list[str] | None:
    """What closes the blocks that are open, the innermost first; None where more is closed than was opened."""
    stack: list[str] = []
    inside = False
    for token in seen:
        if token.kind != "word":
            continue
        if token.text in ("module", "macromodule"):
            stack, inside = [], True
        elif token.text == "endmodule":
            inside = False
        elif token.text in _CLOSERS:
            stack.append(_CLOSERS[token.text])
        elif token.text in _CLOSERS.values() and (not stack or stack.pop() != token.text):
            return None
    return stack[::-1] if inside else None


def forbidden_calls(finding: Finding) -> Iterator[Proposal]:
    """Calls that print or end a simulation, and modules beside the one that is asked for which nothing uses."""
    calls = {match[0] for fault in finding.coded("Forbidden") if (match := re.match(r"\$\w+", fault.message))}
    if not calls:
        return
    source = finding.source
    spans = module_spans(finding.text)
    asked = finding.stated.name or next((module.name for module in source.modules if module.ports), None)
    used = {asked, *(name for module in source.modules for name in module.instances)}
    if any(span.name == asked for span in spans):
        idle = [(span.start, span.end, "") for span in spans if span.name not in used]
        if idle:
            yield _spliced(finding.text, idle), "removed modules that nothing uses"
    edits, done = [], 0
    for token in tokens(finding.text):
        if token.kind == "system" and token.text in calls and token.start >= done:
            done = statement_end(finding.text, token.start)
            edits.append((token.start, done, "begin end"))
    if edits:
        yield _spliced(finding.text, edits), f"removed calls of {', '.join(sorted(calls))}"


def other_name(finding: Finding) -> Iterator[Proposal]:
    """The module that is asked for, under another name."""
    asked, source = finding.stated.name, finding.source
    if asked is None or not source.modules or source.module(asked):
        return
    old = main_module(source).name
    yield rename_module(finding.text, old, asked), f"renamed the module {old} to {asked}"


def other_ports(finding: Finding) -> Iterator[Proposal]:
    """Ports under another name: the one that is missing and the one that is too many, where they are alike."""
    source = finding.source
    if not finding.stated.ports or not source.modules:
        return
    module = (source.module(finding.stated.name) if finding.stated.name else None) or main_module(source)
    has, asked = {port.name: port for port in module.ports}, {port.name: port for port in finding.stated.ports}
    missing = [port for name, port in asked.items() if name not in has]
    surplus = [port for name, port in has.items() if name not in asked]
    edits: list[tuple[int, int, str]] = []
    renamed = []
    for port in missing:
        alike = [other for other in surplus if _alike(port, other)]
        same = [other for other in alike if other.name.lower() == port.name.lower()] or alike
        rivals = [other for other in missing if _alike(other, same[0])] if len(same) == 1 else []
        if len(same) == 1 and (len(rivals) == 1 or same[0].name.lower() == port.name.lower()):
            old = same[0].name
            used = [token for token in tokens(finding.text) if token.kind == "word"]
            if port.name in {token.text for token in used}:
                continue  # it has another meaning in there
            edits += [(token.start, token.end, port.name) for token in used if token.text == old]
            renamed.append(f"{old} to {port.name}")
    if edits:
        yield _spliced(finding.text, edits), f"renamed ports: {', '.join(renamed)}"


def _alike(one: Port, two: Port) -> bool:
    return one.direction == two.direction and (one.width is None or two.width is None or one.width == two.width)


SLIPS: tuple[Callable[[Finding], Iterator[Proposal]], ...] = (
    nets_to_registers,
    registers_to_nets,
    enums_to_parameters,
    bare_assignments,
    keywords_as_names,
    missing_loop_variables,
    missing_siblings,
    misplaced_declarations,
    repeated_declarations,
    unbraced_replications,
    forbidden_calls,
    other_name,
    other_ports,
    unfinished_text,
)
"""The rules, in the order in which they are tried."""
