"""Slips of form that are mended by rule: assignments, braces, enumerations, names, text cut off or unwanted.

Reads a text and its diagnostics; writes nothing. A rule proposes, the front ends decide (`repair.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autovcoder.records import Port
from hdl_sim.finding import Finding, Proposal, spliced
from hdl_sim.rename import rename_module
from hdl_sim.statement import asked_module
from hdl_sim.tokens import Token, is_word, statement_end, tokens

_CLOSERS = {"begin": "end", "case": "endcase", "casez": "endcase", "casex": "endcase", "function": "endfunction",
            "task": "endtask", "generate": "endgenerate", "fork": "join"}  # fmt: skip
_BARE = re.compile(r"\s*(?P<target>[A-Za-z_]\w*\s*(?:\[[^\];=]*\]\s*)*|\{[^{}=;]*\}\s*)(?P<sign><?=)(?!=)")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\s*(?:\[[^\];=]*\]\s*)*(?<![<>=!])<?=(?!=)")
_TOGETHER = re.compile(r"\{([^{}=;]*)\}\s*<?=(?!=)")
_NO_TARGETS = frozenset(
    ("assign", "parameter", "localparam", "if", "else", "for", "case", "begin", "end", "wire", "reg", "logic")
)
# Keywords of SystemVerilog that Verilog has not.
_NAMES_IN_VERILOG = frozenset(
    ("bit", "byte", "do", "final", "int", "logic", "priority", "unique", "var", "void", "this", "new", "next", "type",
     "string", "static", "local", "rand", "ref", "return", "before", "context", "cross", "expect", "matches", "solve",
     "super", "tagged", "with", "within", "interface", "packed", "property", "sequence", "assert", "cover", "global")
)  # fmt: skip
_SYSTEM = re.compile(r"\$\w+")
_PRINTS = re.compile(
    r"\$(?:f?(?:display|write|strobe|monitor)[bho]?|monitoro(?:n|ff)|finish|stop|dump\w*|info|warning|error|fatal)"
)
_BEFORE_STATEMENT = frozenset({";", "begin", "end", ")", "else", ":", "initial", "final", "fork"})
_BIT_KINDS = ("logic", "reg", "bit")


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
        yield spliced(finding.text, edits.values()), "wrote assign before assignments outside of procedures"


def missing_semicolons(finding: Finding) -> Iterator[Proposal]:
    """A statement behind which there is no ``;``; not at the end of the text, which may have been cut off."""
    for fault in finding.saying("expected ';'"):
        at = finding.offset(fault)
        if any(is_word(token, "endmodule") for token in tokens(finding.text, at)):
            yield spliced(finding.text, [(at, at, ";")]), "put a semicolon behind a statement"


def unbraced_replications(finding: Finding) -> Iterator[Proposal]:
    """``{24{a}, b}`` for ``{{24{a}}, b}``."""
    if not any(
        finding.coded("ExpectedToken", "ExpectedContinuousAssignment", "UnexpectedEndDelim", "ExpectedExpression")
    ):
        return
    seen = list(tokens(finding.text))
    pairs = _braces(seen)
    edits = []
    for place in range(len(seen) - 2):
        closing = pairs.get(place + 2)
        if closing is None or seen[place + 1].kind not in ("number", "word"):
            continue
        behind = seen[closing + 1].text if closing + 1 < len(seen) else ""
        first = seen[place].text == "{" and behind == ","
        later = seen[place].text == "," and seen[place + 1].kind == "number"
        if first or later:
            edits += [(seen[place + 1].start, seen[place + 1].start, "{"), (seen[closing].end, seen[closing].end, "}")]
    if edits:
        yield spliced(finding.text, edits), "put a replication into braces of its own"


def _braces(seen: Sequence[Token]) -> dict[int, int]:
    """The place of each opening brace to that of the one which closes it."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for place, token in enumerate(seen):
        if token.text == "{":
            opened.append(place)
        elif token.text == "}" and opened:
            pairs[opened.pop()] = place
    return pairs


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
        # Half a statement may go, whole ones may not; and a header alone is no design.
        lost = finding.text[cut : seen[-1].end]
        if ";" in lost or sum(token.text == ";" for token in kept) < 2:
            continue
        if _outputs_in(lost, finding, cut) - _assigned(finding.text[:cut]):
            continue  # nothing else might drive them
        closers = _open(kept)
        if closers is None:
            continue
        text = finding.text[:cut] + "".join(f"\n{closer}" for closer in closers) + "\nendmodule\n"
        yield text, "closed what was left open at the end"


def _outputs_in(lost: str, finding: Finding, at: int) -> set[str]:
    """The words of a text that are outputs of the module around a place."""
    declared = finding.declared_at(at)
    words = {token.text for token in tokens(lost) if token.kind == "word"}
    return {word for word in words if word in declared and (way := declared[word].direction) and way.text == "output"}


def _assigned(text: str) -> set[str]:
    """The names before ``=`` and ``<=``, alone or in braces."""
    together = " ".join(_TOGETHER.findall(text))
    return {*_ASSIGNED.findall(text), *re.findall(r"[A-Za-z_]\w*", together)}


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
    """Calls that print or end a simulation, and modules which nothing uses: testbenches, and others than the asked."""
    calls = {match[0] for fault in finding.coded("Forbidden") if (match := re.match(r"\$\w+", fault.message))}
    if not calls:
        return
    source = finding.source
    spans = finding.spans
    asked = finding.stated.name
    used = {asked, *(name for module in source.modules for name in module.instances)}
    # Where no name is stated, whatever has ports may be what is asked for.
    kept = used if source.module(asked or "") else used | {module.name for module in source.modules if module.ports}
    idle = [(span.start, span.end, "") for span in spans if span.name not in kept]
    if idle and len(idle) < len(spans):
        yield spliced(finding.text, idle), "removed modules that nothing uses"
    edits: list[tuple[int, int, str]] = []
    done, starts = 0, True
    for token in tokens(finding.text):
        printing = token.kind == "system" and token.text in calls and _PRINTS.fullmatch(token.text)
        if printing and token.start >= done and starts:
            done = statement_end(finding.text, token.start)
            edits.append((token.start, done, "begin end"))
        starts = token.text in _BEFORE_STATEMENT or token.kind == "number"  # of a delay
    if edits:
        removed = {match[0] for start, end, _ in edits if (match := _SYSTEM.match(finding.text, start))}
        yield spliced(finding.text, edits), f"removed calls of {', '.join(sorted(removed))}"


def other_name(finding: Finding) -> Iterator[Proposal]:
    """The module that is asked for, under another name, where only one can be it."""
    asked, source = finding.stated.name, finding.source
    if asked is None or source.module(asked):
        return
    designs = [module for module in source.modules if module.ports] or source.modules
    used = {name for module in designs for name in module.instances}
    tops = [module.name for module in designs if module.name not in used]
    if len(tops) == 1:
        yield rename_module(finding.text, tops[0], asked), f"renamed the module {tops[0]} to {asked}"


def other_ports(finding: Finding) -> Iterator[Proposal]:
    """Ports under another name: the one that is missing and the one that is too many, where they are alike."""
    source = finding.source
    if not finding.stated.ports or not source.modules:
        return
    module = asked_module(finding.stated, source)
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
            used = [token for token in _tokens_of(finding, module.name) if token.kind == "word"]
            if port.name in {token.text for token in used}:
                continue  # it has another meaning in there
            edits += [(token.start, token.end, port.name) for token in used if token.text == old]
            renamed.append(f"{old} to {port.name}")
    if edits:
        yield spliced(finding.text, edits), f"renamed ports: {', '.join(renamed)}"


def _tokens_of(finding: Finding, module: str) -> list[Token]:
    span = next((span for span in finding.spans if span.name == module), None)
    return [t for t in tokens(finding.text, span.start if span else 0) if span is None or t.end <= span.end]


def _alike(one: Port, two: Port) -> bool:
    return one.direction == two.direction and (one.width is None or two.width is None or one.width == two.width)


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
        yield spliced(finding.text, edits), "made parameters of the enumeration's values"


def _numbered(members: str) -> str:
    """``A, B = 2, C`` with a value for each."""
    plain = re.sub(r"//[^\n]*|/\*.*?\*/", "", members, flags=re.DOTALL)
    parts, last = [], ""
    for member in (part.strip() for part in plain.split(",") if part.strip()):
        name, sign, value = (piece.strip() for piece in member.partition("="))
        parts.append(f"{name} = {value}" if sign else f"{name} = {last + ' + 1' if last else '0'}")
        last = name
    return ", ".join(parts)


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
            yield spliced(finding.text, edits), f"renamed {word}, which is a keyword, to {word}_value"
