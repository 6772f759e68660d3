"""What the rubric measures on the text alone: comments, layout, names, literals, which a syntax tree does not hold.

Reads a module's text; writes nothing. Every measure is a share or a number per line, so that size alone moves none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_ABOVE = re.compile(r"(?:\s++|//[^\n]*+|/\*.*?\*/|`[^\n]*+\n)*+", re.DOTALL)
_CODE_IN_COMMENT = re.compile(r"[;{}]\s*+(?:\*/\s*+)?$|<=|\bassign\b|\bbegin\b|\bend\b|^\W*\.\w+\s*\(")
_PROSE = re.compile(r"[^\W\d_]{2,}")
_WORD = re.compile(r"(?<![`'$\\\w])[A-Za-z_]\w*")
_ESCAPED = re.compile(r"\\\S+")
_NUMBERED = re.compile(r"(.*?[A-Za-z_])(\d+)(\D*)")
_NUMBER = re.compile(r"(?<![\w.'])(?:\d+\s*)?'[sS]?[bBoOdDhH]\s*[\w?]+|(?<![\w.'])\d[\d_]*(?![\w.'])")
_CONSTANTS = re.compile(r"\b(?:parameter|localparam|define|typedef|enum)\b")
_SELECT = re.compile(r"\[[^\[\]]*\]")
_DIGITS = re.compile(r"\d+")
_FOR = re.compile(r"\bfor\s*\(")
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16}
# Longer lines need scrolling in most editors; the style guides of lowRISC and others end there.
LINE = 100


@dataclass(frozen=True, slots=True)
class TextFacts:
    """Measures of the text.

    Attributes:
        code_lines: with code on them, at least 1; shares are of these lines unless said otherwise.
        prose: words of explanation in comments for each line of code; commented-out code is none.
        dead: commented-out lines of code, as a share.
        headed: True where a comment of four words or more stands above the module.
        long: share of lines longer than `LINE`; ``flat``: of lines that no indentation sets apart from the header.
        mixed: the smaller of the shares of lines indented by tabs and by spaces.
        crowded: share of lines with more than one statement.
        magic: numbers above 2 outside of declarations of constants and of ranges, for each line.
        numbered: share of the distinct names that differ from three others by a number alone.
        escaped: share of the distinct names that are escaped, as netlists have them.
        copied: share of the longer lines that stand there four times or more, but for their numbers.
    """

    code_lines: int
    prose: float
    dead: float
    headed: bool
    long: float
    flat: float
    mixed: float
    crowded: float
    magic: float
    numbered: float
    escaped: float
    copied: float


def text_facts(text: str) -> TextFacts:
    """Measure a module's text, the comment above it included; lines end with line feeds."""
    comments: list[str] = []

    def blank(match: re.Match[str]) -> str:
        found = match.group()
        if found.startswith('"'):
            return '""'
        comments.append(found)
        return "\n" * found.count("\n") or " "

    code = _COMMENT.sub(blank, text)
    lines = [line.rstrip() for line in code.split("\n") if line.strip()]
    count = max(1, len(lines))
    written = [line for comment in comments for line in comment.split("\n")]
    dead = sum(1 for line in written if _CODE_IN_COMMENT.search(line))
    prose = sum(len(_PROSE.findall(line)) for line in written if not _CODE_IN_COMMENT.search(line))
    tabs, spaces = (sum(line.startswith(mark) for line in lines) for mark in ("\t", "  "))
    names = set(_WORD.findall(code))
    escaped = set(_ESCAPED.findall(code))
    return TextFacts(
        code_lines=count,
        prose=prose / count,
        dead=dead / count,
        headed=len(_PROSE.findall(_above(text))) >= 4,
        long=sum(len(line.expandtabs(4)) > LINE for line in text.split("\n")) / count,
        flat=max(0, sum(not line[0].isspace() for line in lines) - 4) / count,
        mixed=min(tabs, spaces) / max(1, tabs + spaces),
        crowded=sum(line.count(";") > 1 and not _FOR.search(line) for line in lines) / count,
        magic=_magic(lines) / count,
        numbered=_numbered(names) / max(1, len(names)),
        escaped=len(escaped) / max(1, len(names) + len(escaped)),
        copied=_copied(lines),
    )


def _above(text: str) -> str:
    """The comments before the first code."""
    start = _ABOVE.match(text)
    return " ".join(_COMMENT.findall(start.group())) if start else ""


def _magic(lines: Iterable[str]) -> int:
    found = 0
    for line in lines:
        if not _CONSTANTS.search(line):
            found += sum(_value(number) > 2 for number in _NUMBER.findall(_SELECT.sub(" ", line)))
    return found


def _copied(lines: Iterable[str]) -> float:
    forms = Counter(_DIGITS.sub("0", "".join(line.split())) for line in lines)
    long = {form: times for form, times in forms.items() if len(form) > 8}
    return sum(times for times in long.values() if times >= 4) / max(1, sum(long.values()))


def _value(number: str) -> int:
    """What a literal stands for; 0 where it holds unknown bits, and where it is all ones, which explains itself."""
    size, quote, rest = (part.strip() for part in number.replace("_", "").partition("'"))
    if not quote:
        return int(size[:20])
    rest = rest.lower().lstrip("s")
    base, digits = _BASES.get(rest[:1], 10), rest[1:].strip()[:80]
    try:
        value = int(digits, base)
    except ValueError:
        return 0
    return 0 if size.isdigit() and int(size[:6]) < 4096 and value == (1 << int(size[:6])) - 1 else value


def _numbered(names: Iterable[str]) -> int:
    """How many names belong to a family such as ``data0`` to ``data7``, of four or more."""
    families: dict[tuple[str, str], int] = defaultdict(int)
    for name in names:
        match = _NUMBERED.fullmatch(name[:80])  # the time grows with the square of the length
        if match:
            families[match.group(1), match.group(3)] += 1
    return sum(size for size in families.values() if size >= 4)
