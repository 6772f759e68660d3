"""Where the nodes of a syntax tree stand in the text, so that a piece of it can be replaced and the rest left as it is.

Reads a text and its tree; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Span = tuple[int, int]
"""Start and end, in bytes of UTF-8."""


class DesignText:
    """A design's text, and where its nodes are."""

    def __init__(self, manager: Any, text: bytes) -> None:
        self._manager = manager
        self._text = text

    def span(self, node: Any) -> Span | None:
        """The bytes that a node takes; None where a macro wrote a part of it, or where it is empty."""
        if node is None:
            return None
        start, end = self.offset(node.sourceRange.start), self.offset(node.sourceRange.end)
        return (start, end) if start is not None and end is not None and start < end else None

    def offset(self, location: Any) -> int | None:
        """The byte of a place in the text; None where a macro wrote it."""
        if not self._manager.isFileLoc(location):
            return None
        offset = int(location.offset)
        return offset if 0 <= offset <= len(self._text) else None

    def read(self, span: Span, most: int = 1 << 30) -> str:
        """The text there, and no more than so many bytes of it."""
        return self._text[span[0] : min(span[1], span[0] + most)].decode(errors="replace")


def nodes(members: Iterable[Any]) -> list[Any]:
    """Those members of a list that are no tokens, such as commas."""
    return [member for member in members if member is not None and not hasattr(member, "valueText")]


def word(token: Any) -> str:
    """A token as it is written; empty where there is none."""
    return str(token.rawText) if token else ""


def edge_signals(node: Any) -> Iterator[str]:
    """What a process waits for an edge of."""
    from pyslang import syntax

    found: list[Any] = []
    node.visit(lookup_table={syntax.SyntaxKind.SignalEventExpression: found.append})
    return (str(event.expr).strip() for event in found if word(event.edge) in ("posedge", "negedge"))


def names(node: Any) -> set[str]:
    """The plain names in an expression."""
    from pyslang import syntax

    found: list[Any] = []
    node.visit(lookup_table={syntax.SyntaxKind.IdentifierName: found.append})
    return {name.identifier.valueText for name in found}
