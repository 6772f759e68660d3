"""Finds ports that a specification lists in words: only forms in which name and direction are explicit.

Reads a specification's text; writes `Port` records, whose width is None where none is stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autovcoder.records import Direction, Port

# A name as prose writes it: bare, or in backquotes, quotes or asterisks.
NAME = r"(?:`[A-Za-z_][\w$]*`|\"[A-Za-z_][\w$]*\"|'[A-Za-z_][\w$]*'|\*\*[A-Za-z_][\w$]*\*\*|[A-Za-z_][\w$]*)"
_RANGE = r"\[\s*[^\[\]\n]{1,40}?\s*:\s*[^\[\]\n]{1,40}?\s*\]"
_BITS = r"\d{1,6}\s*-?\s*bits?(?:\s+wide)?"
_ITEM = rf"{NAME}`?\s*(?:{_RANGE})?`?(?:\s*\(\s*(?:{_BITS}|{_RANGE})\s*\))?"
_DASH = r":\u2013\u2014-"  # also en dash and em dash
_BLANK = r"[ \t]*"
_PARTS = {
    "NAME": NAME,
    "RANGE": _RANGE,
    "BITS": _BITS,
    "ITEMS": rf"{_ITEM}(?:{_BLANK},{_BLANK}{_ITEM})*",
    "SPOKEN": rf"{_ITEM}(?:\s*(?:,|and)\s*(?:and\s+)?{_ITEM})*",
    # Names joined by commas and "and", up to the "and" before the next "input" or "output".
    "NAMES": rf"{NAME}(?:\s*,\s*(?:and\s+)?{NAME}|\s+and\s+(?!<ART>(?:\d+-bit\s+)?(?:in|out)puts?\b){NAME})*",
    "ART": r"(?:an?\s+|the\s+)?",
    "DIR": r"(?P<dir>input|output|inout)",
    "BULLET": rf"^{_BLANK}(?:[-*\u2022+]|\d+[.)])?{_BLANK}",
    "PLURAL": r"(?:s|\(s\))?(?:[ \t]+(?:ports?|signals?))?",
    "DASH": f"[{_DASH}]",
    "_": _BLANK,
}


def _form(text: str) -> re.Pattern[str]:
    """A pattern from words in angle brackets (`_PARTS`) and regular expressions."""
    while (filled := re.sub(r"<([A-Z]+|_)>", lambda part: _PARTS[part[1]], text)) != text:
        text = filled
    return re.compile(text, re.IGNORECASE)


# "Inputs: clk, rst[3:0], en (2 bits)."
_INLINE = _form(r"\b<DIR><PLURAL>(?:[ \t]+are)?<_>:<_>\**<_>(?P<list><SPOKEN>)<_>(?=[.;\n)]|$)")
# "Input ports:" or "**Outputs**:" alone on a line; the ports follow, one a line.
_SECTION = _form(r"^[ \t#*\u2022-]*<DIR><PLURAL>[ \t*]*:[ \t*]*$")
_SECTION_ITEM = _form(
    r"^(?P<indent><_>)(?P<mark>[-*\u2022+]|\d+[.)])?<_>(?P<list><ITEMS>)<_>(?P<colon><DASH>|$)<_>(?P<rest>.*)$"
)
# "- input [7:0] a", "input clk", "- output q (8 bits)"
_DECLARATION = _form(
    r"<BULLET>\**`?<DIR>\**[ \t]+(?:(?:wire|reg|logic|bit|signed|unsigned|var)\s+)*(?P<range><RANGE>)?<_>"
    r"(?P<list><ITEMS>)`?<_>(?:(?:[;,]|<DASH>)(?P<rest>.*))?$"
)
# "- clk: input, 1 bit", "- `q` (output, 8 bits): the count", "clk - 1-bit input"
_DESCRIBED = _form(
    r"<BULLET>(?P<name><NAME>)<_>(?P<range><RANGE>)?<_>(?:<DASH>|\()<_>(?:an?[ \t]+)?(?:(?P<bits><BITS>)[ \t]+)?"
    r"<DIR>\b(?P<rest>.*)$"
)
# "q  output  8"
_COLUMNS = _form(r"<BULLET>(?P<name><NAME>)[ \t]+<DIR>[ \t]+(?P<bits>\d{1,6}|<RANGE>)(?:[ \t]*bits?)?<_>$")
# "Ports: clk (input), q (output, 8 bits)."
_PORTS = _form(r"\bports?(?:[ \t]+are)?<_>:(?P<list>[^\n]*)")
_IN_PARENS = _form(
    r"(?P<name><NAME>)<_>(?P<range><RANGE>)?<_>\(<_>(?:(?P<bits><BITS>)[ \t]+)?<DIR>\b(?P<rest>[^()]*)\)"
)
# "inputs a, b and output y."
_SENTENCE = _form(
    r"\b(?:(?P<in_bits>\d{1,6})-bit\s+)?inputs?\s+(?P<ins><NAMES>)\s*,?\s+and\s+<ART>"
    r"(?:(?P<out_bits>\d{1,6})-bit\s+)?outputs?\s+(?P<outs><NAMES>)\s*(?=[.;\n]|$)"
)
_WORDS = """
    port ports signal signals is are the high low bits value values of or to for from with none wide respectively
    must should can may have has
"""
_NO_NAME_IN_PROSE = frozenset(_WORDS.split())
_NO_NAME = frozenset({"port", "ports", "signal", "signals", "is", "are"})


def squeezed(text: str) -> str:
    """The text with one blank for many and at most one empty line, so that no pattern goes through long gaps again."""
    return re.sub(r"(?:[^\S\n]?\n){3,}", "\n\n", re.sub(r"[^\S\n]{2,}", " ", text))


def unquoted(name: str) -> str:
    return name.strip("`\"'*")


def find_ports(spec: str) -> tuple[Port, ...]:
    """The ports that a text lists; one listed twice in different ways is left out: it is not clear what is asked."""
    spec = squeezed(spec)
    found: dict[str, Port] = {}
    unclear: set[str] = set()
    for port in _all(spec):
        if port.name.lower() in _NO_NAME:
            continue
        old = found.get(port.name, port)
        if old.direction != port.direction or (old.width and port.width and old.width != port.width):
            unclear.add(port.name)
        found[port.name] = old if old.width else port
    return tuple(port for name, port in found.items() if name not in unclear)


def _all(spec: str) -> Iterator[Port]:
    section: Direction | None = None
    indented = False
    for line in map(str.rstrip, spec.splitlines()):
        heading, item = _SECTION.match(line), _SECTION_ITEM.match(line) if section else None
        if heading:
            section, indented = _direction(heading["dir"]), False
        elif section and item and (item["indent"] or item["mark"] or (item["rest"] and not indented)):
            # Once the ports are indented, a line that is not belongs to what follows the section.
            indented = indented or bool(item["indent"] or item["mark"])
            for name, width in _items(item["list"]):
                yield Port(name=name, direction=section, width=width or _leading_bits(item["rest"]))
        elif line:
            section = None  # only blank lines may stand between the ports of a section
            yield from _line(line)
    for sentence in _SENTENCE.finditer(spec):
        yield from _plain(sentence["ins"], "input", sentence["in_bits"])
        yield from _plain(sentence["outs"], "output", sentence["out_bits"])


def _line(line: str) -> Iterator[Port]:
    """The ports of a line that is not in a section."""
    if line.count("|") >= 2:
        yield from _table_row(line)
    elif match := _DECLARATION.match(line):
        rest = match["rest"] or ""
        for name, width in _items(match["list"]):
            yield _port(name, match["dir"], _width(match["range"]) if match["range"] else width or _leading_bits(rest))
    elif match := _COLUMNS.match(line) or _DESCRIBED.match(line):
        groups = match.groupdict()
        width = _width(groups.get("range")) or _width(groups.get("bits")) or _leading_bits(groups.get("rest") or "")
        yield _port(match["name"], match["dir"], width)
    else:
        for ports in _PORTS.finditer(line):
            for match in _IN_PARENS.finditer(ports["list"]):
                width = _width(match["range"]) or _width(match["bits"]) or _leading_bits(match["rest"])
                yield _port(match["name"], match["dir"], width)
        for match in _INLINE.finditer(line):
            for name, width in _items(match["list"]):
                yield _port(name, match["dir"], width)


def _table_row(line: str) -> Iterator[Port]:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    directions = [cell for cell in cells[1:] if re.fullmatch(r"`?(?:input|output|inout)`?", cell, re.IGNORECASE)]
    named = re.fullmatch(rf"(?P<name>{NAME})\s*(?P<range>{_RANGE})?", cells[0])
    if len(directions) == 1 and named:
        widths = [
            cell for cell in cells[1:] if re.fullmatch(rf"\d{{1,6}}|{_BITS}|{_RANGE}", cell.strip("`"), re.IGNORECASE)
        ]
        width = _width(named["range"]) or (_width(widths[0].strip("`")) if len(widths) == 1 else None)
        yield _port(named["name"], directions[0].strip("`"), width)


def _items(text: str) -> Iterator[tuple[str, int | None]]:
    for item in re.finditer(
        rf"(?P<name>{NAME})`?\s*(?P<range>{_RANGE})?`?(?:\s*\((?P<paren>\s*(?:{_BITS}|{_RANGE})\s*)\))?", text
    ):
        name = unquoted(item["name"])
        if name != "and":
            yield name, _width(item["range"]) or _width(item["paren"])


def _plain(text: str, direction: Direction, bits: str | None) -> Iterator[Port]:
    names = [unquoted(name) for name in re.findall(NAME, text)]
    names = [name for name in names if name != "and"]
    if not any(name.lower() in _NO_NAME_IN_PROSE for name in names):  # else it is a sentence, not a list
        for name in names:
            yield Port(name=name, direction=direction, width=int(bits) if bits else None)


def _port(name: str, direction: str, width: int | None) -> Port:
    return Port(name=unquoted(name), direction=_direction(direction), width=width)


def _direction(word: str) -> Direction:
    lower = word.lower()
    return "input" if lower == "input" else "output" if lower == "output" else "inout"


def _leading_bits(text: str) -> int | None:
    """A width with which a description begins or that is in parentheses: ``, 8 bits`` or ``16-bit data``."""
    match = re.match(rf"[ \t,(:]*(?:an?[ \t]+|the[ \t]+)?(?P<bits>{_BITS}|{_RANGE})", text, re.IGNORECASE)
    match = match or re.search(rf"\(\s*(?P<bits>{_BITS})\s*\)", text, re.IGNORECASE)
    return _width(match["bits"]) if match else None


def _width(text: str | None) -> int | None:
    """Bits in ``8``, ``8 bits`` or ``[7:0]``; None for anything that depends on a name."""
    if not text:
        return None
    if number := re.match(r"\s*(\d{1,6})", text):
        return int(number[1]) or None
    ends = re.fullmatch(r"\s*\[\s*(\d{1,6})\s*:\s*(\d{1,6})\s*\]\s*", text)
    return abs(int(ends[1]) - int(ends[2])) + 1 if ends else None
