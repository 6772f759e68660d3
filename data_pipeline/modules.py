"""Splits RTL files into modules with the slang front end, each with what it needs to be read alone.

Reads the text of a file and the macros of its repository; writes nothing. A broken file gives the modules that parse by
themselves, and a reason for each of the others.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from autovcoder.records import Language, Port, Provenance, RtlModule, content_id
from data_pipeline.source_text import Macros, macros_defined, without_includes
from hdl_sim import slang
from hdl_sim.instances import MAX_INSTANCES, instances_bound
from hdl_sim.macros import definitions, without_definitions
from hdl_sim.spans import module_spans
from hdl_sim.syntax_ports import syntax_ports
from hdl_sim.verilog2001 import is_verilog2001

if TYPE_CHECKING:
    from pyslang import syntax

# How far above a module its doc comment may begin; a comment that began earlier is a manual.
MAX_DOC_CHARACTERS = 4000
_LICENCE = re.compile(r"copyright|licen[cs]e|\bspdx|all rights reserved|redistribut|warrant", re.IGNORECASE)
_INCLUDE_LINE = re.compile(r"^[ \t]*`include\b[^\n]*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unread:
    """What of a file could not be taken: ``name`` of the module (empty for the whole file), its first line, and why."""

    name: str
    line: int
    reason: str


def extract_modules(text: str, macros: Macros, source: Provenance) -> Iterator[RtlModule | Unread]:
    """The modules of one file, in their order, and what of it cannot be taken.

    Args:
        text: the file, as `source_text.decode` gives it.
        source: the file's provenance; the lines are filled in here.
    """
    if "endmodule" not in text:
        yield Unread("", 1, "no module")
        return
    reader = _Reader(text, macros, source)
    plain = without_definitions(text)
    spans = module_spans(plain)
    try:
        places = _places(text, macros)
    except ValueError as error:
        # Each module alone may be well.
        if not spans:
            yield Unread("", 1, str(error))
        for span in spans:
            if span.closed:
                yield reader.module(span.name, span.start, span.end)
            else:
                yield reader.unread(span.name, span.start, "does not parse: no endmodule")
        return
    for place in places:
        if place.start == place.end:
            yield reader.unread(place.name, place.start, "made by a macro")
        else:
            yield reader.module(place.name, place.start, place.end)
    covered = [(place.start, place.end) for place in places]
    for span in spans:
        at = bisect_right(covered, (span.start, len(text))) - 1
        if at < 0 or covered[at][1] <= span.start:
            yield reader.unread(span.name, span.start, "in a branch of conditional compilation not taken")


class _Place(NamedTuple):
    """A module of a file, by characters; an attribute before it is part of it. Empty where a macro makes it."""

    name: str
    start: int
    end: int


def _places(text: str, macros: Macros) -> list[_Place]:
    """Where the modules are that a file has once its directives are followed; those within another are part of it.

    Raises:
        ValueError: the file does not parse as a whole, or is too much for the front end.
    """
    own = macros_defined(text)
    needed = macros.needed(text, own, macros.reached(text))
    prefix = "".join(f"{directive}\n" for directive in needed if directive not in own.values())
    tree = _parse(prefix, text)
    if failure := _first_error(tree):
        raise ValueError(f"does not parse: {failure}")
    skip = len(prefix.encode())
    data = text.encode()
    found: list[_Place] = []
    byte = character = 0
    for node in slang.module_nodes(tree):
        name = node.header.name.valueText
        if _is_plain(tree, node):
            start, end = node.getFirstToken().location.offset - skip, node.getLastToken().range.end.offset - skip
        else:
            start = end = tree.sourceManager.getFullyExpandedLoc(node.getFirstToken().location).offset - skip
        if not name or start < byte:
            continue  # within the one before
        # The front end counts bytes.
        first = character + len(data[byte:start].decode(errors="replace"))
        byte, character = end, first + len(data[start:end].decode(errors="replace"))
        found.append(_Place(name, first, character))
    return found


class _Reader:
    """Makes records of the modules of one file."""

    def __init__(self, text: str, macros: Macros, source: Provenance) -> None:
        self._text, self._macros, self._source = text, macros, source
        self._lines = [match.start() for match in re.finditer("\n", text)]
        self._reached = macros.reached(text)
        self._definitions = deque(definitions(text))
        self._own: dict[str, str] = {}
        self._seen: set[str] = set()

    def unread(self, name: str, start: int, reason: str) -> Unread:
        return Unread(name, self._line(start), reason)

    def module(self, name: str, start: int, end: int) -> RtlModule | Unread:
        """The record of what stands between two places, read alone: with nothing but what will stand in the corpus.

        To be asked for the modules in their order.
        """
        try:
            code = self._code(start, end)
            if code in self._seen:
                return self.unread(name, start, "the same again in its file")
            self._seen.add(code)
            return self._read(name, code, start, end)
        except ValueError as error:
            return self.unread(name, start, str(error))
        except (RuntimeError, MemoryError):
            return self.unread(name, start, "too large or nested too deep for the front end")

    def _code(self, start: int, end: int) -> str:
        body = self._text[start:end]
        if "`include" in body:
            # Mostly macros, which come along; declarations that are missing show when the module is read alone.
            body = _INCLUDE_LINE.sub("", body)
        while self._definitions and self._definitions[0].end <= start:
            self._own |= macros_defined(self._text, [self._definitions.popleft()])
        doc = self._doc(start)
        needed = self._macros.needed(body, self._own, self._reached)
        return "\n".join([*needed, *([doc] if doc else []), body]) + "\n"

    def _read(self, name: str, code: str, start: int, end: int) -> RtlModule:
        tree = _parse("", code)
        if failure := _first_error(tree):
            raise ValueError(f"does not parse: {failure}")
        nodes = [node for node in slang.module_nodes(tree) if node.header.name.valueText]
        if not nodes or nodes[0].header.name.valueText != name:
            raise ValueError("does not parse: no module by itself")
        language: Language = "verilog-2001" if is_verilog2001(code) else "systemverilog"
        place = {"first_line": self._line(start), "last_line": self._line(end - 1)}
        return RtlModule(
            id=content_id("rtl_module", self._source.repo, self._source.path, name, code),
            name=name,
            language=language,
            code=code,
            ports=_ports(tree, nodes[0]),
            instances=slang.instances_of(nodes[0]),
            provenance=self._source.model_copy(update=place),
        )

    def _line(self, offset: int) -> int:
        return bisect_left(self._lines, offset) + 1

    def _doc(self, start: int) -> str:
        """The comment that ends right above ``start``, unless it is a licence or has a gap before the module."""
        above = self._text[max(0, start - MAX_DOC_CHARACTERS) : start]
        parts = (part for part in _paragraphs(_trailing_comments(above)) if not _LICENCE.search(part))
        doc = "\n\n".join(parts)
        return doc if doc.strip("/*- =#\t\n") else ""


def _trailing_comments(above: str) -> str:
    """The comments at the end of a text that stands above a module, with at most one blank line below them."""
    lines = above.rstrip("\n").split("\n")
    if above[len(above.rstrip()) :].count("\n") > 2:
        return ""
    taken: list[str] = []
    in_block = False
    for line in reversed(lines):
        bare = line.strip()
        if in_block or bare.endswith("*/"):
            in_block = "/*" not in bare
            if not in_block and not bare.startswith("/*"):
                break  # a comment behind code
            taken.append(line.rstrip())
        elif bare.startswith("//") or not bare:
            taken.append(line.rstrip())
        elif re.match(r"`(?:timescale|default_nettype|resetall|celldefine)\b", bare):
            continue
        else:
            break
    return "" if in_block else "\n".join(reversed(taken)).strip("\n")


def _paragraphs(run: str) -> Iterator[str]:
    """The block comments and groups of line comments of a run; blank lines outside blocks are between them."""
    for part in re.findall(r"/\*[\s\S]*?\*/|(?:[ \t]*//[^\n]*\n?)+", run):
        yield part.strip("\n")


def _parse(prefix: str, text: str) -> syntax.SyntaxTree:
    """The tree of ``prefix`` and ``text``.

    Raises:
        ValueError: the text is too large or too deep for the front end, or asks for too many instances.
    """
    whole = prefix + without_includes(text)
    if not slang.text_is_bounded(whole):
        raise ValueError("too large or nested too deep for the front end")
    try:
        return slang.parse(whole)
    except (RuntimeError, MemoryError):
        raise ValueError("nested too deep for the front end") from None


def _first_error(tree: syntax.SyntaxTree) -> str:
    """The first error of a tree, in words; empty where it has none."""
    import pyslang

    for item in tree.diagnostics:
        if slang.is_hard(item):
            return str(pyslang.DiagnosticEngine(tree.sourceManager).formatMessage(item))
    return ""


def _is_plain(tree: syntax.SyntaxTree, node: Any) -> bool:
    """True when a module begins and ends in the text itself, not in a macro."""
    ends = (node.getFirstToken().location, node.getLastToken().location)
    return not any(tree.sourceManager.isMacroLoc(end) for end in ends)


def _ports(tree: syntax.SyntaxTree, node: Any) -> tuple[Port, ...]:
    stated = syntax_ports(node)
    if instances_bound([node]) > MAX_INSTANCES:
        return stated
    name = node.header.name.valueText
    return slang.elaborated_ports(tree, slang.compile_tree(tree), {name}).get(name) or stated
