"""Splits RTL files into modules with the slang front end, each with what it needs to be read alone.

Reads the text of a file and the macros of its repository; writes nothing. A broken file gives the modules that parse by
themselves, and a reason for each of the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autovcoder.records import Language, Port, Provenance, RtlModule, content_id
from data_pipeline.source_text import Macros, macros_defined, without_defines, without_includes
from hdl_sim import slang
from hdl_sim.instances import MAX_INSTANCES, instances_bound
from hdl_sim.spans import Span, module_spans
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
    own = macros_defined(text)
    reader = _Reader(text, own, macros, source)
    try:
        prefix = "".join(directive + "\n" for directive in macros.needed(text, own) if directive not in own.values())
        tree = _parse(prefix, text)
        failure = _first_error(tree)
        if not failure:
            yield from reader.all(tree, len(prefix.encode()))
            return
    except ValueError as error:
        failure = str(error)
    # Each module alone may be well.
    spans = module_spans(without_defines(text))
    if not spans:
        yield Unread("", 1, failure)
    for span in spans:
        yield reader.alone(span)


class _Reader:
    """Makes records of the modules of one file."""

    def __init__(self, text: str, own: dict[str, str], macros: Macros, source: Provenance) -> None:
        self._text, self._own, self._macros, self._source = text, own, macros, source

    def all(self, tree: syntax.SyntaxTree, skip: int) -> Iterator[RtlModule | Unread]:
        """The modules of a whole file that parses; its text begins at byte ``skip`` of the tree's."""
        data = self._text.encode()
        nodes = [node for node in slang.module_nodes(tree) if node.header.name.valueText]
        ports = _ports(tree, nodes)
        taken: list[tuple[int, int]] = []
        for node in nodes:
            first, last = node.getFirstToken().location, node.getLastToken().range.end
            if not _is_plain(tree, node):
                yield Unread(node.header.name.valueText, 1, "made by a macro")
                continue
            start = len(data[: first.offset - skip].decode(errors="replace"))
            end = start + len(data[first.offset - skip : last.offset - skip].decode(errors="replace"))
            if taken and start < taken[-1][1]:
                continue  # nested in the one before
            taken.append((start, end))
            yield self._module(node, start, end, ports.get(node.header.name.valueText, ()))
        for span in module_spans(without_defines(self._text)):
            if not any(start <= span.start < end for start, end in taken):
                yield Unread(span.name, self._line(span.start), "in a branch of conditional compilation not taken")

    def alone(self, span: Span) -> RtlModule | Unread:
        """A module of a file that does not parse as a whole."""
        line = self._line(span.start)
        if not span.closed:
            return Unread(span.name, line, "does not parse: no endmodule")
        body = self._text[span.start : span.end]
        try:
            prefix = "".join(directive + "\n" for directive in self._macros.needed(body, self._own))
            tree = _parse(prefix, body)
        except ValueError as error:
            return Unread(span.name, line, str(error))
        if failure := _first_error(tree):
            return Unread(span.name, line, f"does not parse: {failure}")
        nodes = [node for node in slang.module_nodes(tree) if node.header.name.valueText]
        if not nodes or not _is_plain(tree, nodes[0]):
            return Unread(span.name, line, "does not parse: no module by itself")
        return self._module(nodes[0], span.start, span.end, _ports(tree, nodes[:1]).get(span.name, ()))

    def _module(self, node: Any, start: int, end: int, ports: tuple[Port, ...]) -> RtlModule | Unread:
        name = node.header.name.valueText
        body = self._text[start:end]
        first, last = self._line(start), self._line(end - 1)
        if "`include" in body:
            # Mostly macros, which come along; declarations that are missing show when the module is read alone.
            body = _INCLUDE_LINE.sub("", body)
        try:
            needed = self._macros.needed(body, self._own)
        except ValueError as error:
            return Unread(name, first, str(error))
        doc = self._doc(start)
        code = "\n".join([*needed, *([doc] if doc else []), body]) + "\n"
        source = self._source.model_copy(update={"first_line": first, "last_line": last})
        language: Language = "verilog-2001" if is_verilog2001(code) else "systemverilog"
        return RtlModule(
            id=content_id("rtl_module", source.repo, source.path, name, code),
            name=name,
            language=language,
            code=code,
            ports=ports,
            instances=slang.instances_of(node),
            provenance=source,
        )

    def _line(self, offset: int) -> int:
        return self._text.count("\n", 0, offset) + 1

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


def _ports(tree: syntax.SyntaxTree, nodes: list[Any]) -> dict[str, tuple[Port, ...]]:
    stated = {node.header.name.valueText: syntax_ports(node) for node in nodes}
    if instances_bound(nodes) > MAX_INSTANCES:
        return stated
    return stated | slang.elaborated_ports(tree, slang.compile_tree(tree), set(stated))
