"""Expands a design's macros and conditions, so that the simulator compiles the very tokens that were judged.

Reads a design's text; writes it without comments and without all directives that change text. Preprocessors disagree
on where a comment ends in a macro, and on what a string holds in a branch that is not taken: what is a comment for one
is a statement for the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hdl_sim.tokens import tokens

if TYPE_CHECKING:
    from pyslang import syntax

# They say how text is to be read, and change none of it.
_HARMLESS = frozenset({
    "`timescale", "`default_nettype", "`resetall", "`celldefine", "`endcelldefine", "`unconnected_drive",
    "`nounconnected_drive", "`begin_keywords", "`end_keywords",
})  # fmt: skip


def uses_preprocessor(code: str) -> bool:
    """True when a text has directives that change what a compiler is given."""
    return "`" in code and any(t.kind == "directive" and t.text not in _HARMLESS for t in tokens(code))


def preprocessed(code: str) -> str:
    """The text as the front end's preprocessor leaves it, every token on its line; the same text where it does nothing.

    Text that is too large, or that the front end cannot read without errors, comes back as it is:
    `references.outside_references` refuses it where a compiler takes it.
    """
    from hdl_sim.slang import parse, text_is_bounded

    if not uses_preprocessor(code) or not text_is_bounded(code):
        return code
    try:
        tree = parse(code)
    except RuntimeError:
        return code
    if any(diagnostic.isError() for diagnostic in tree.diagnostics):
        return code
    parts: list[str] = []
    line = 1
    for number, text in _pieces(tree):
        parts.append("\n" * (number - line) if number > line else " ")
        parts.append(text)
        line = max(line, number) + text.count("\n")
    return "".join(parts).strip(" ") + "\n"


def _pieces(tree: syntax.SyntaxTree) -> Iterator[tuple[int, str]]:
    """(line, text) of every token and of every directive that stays."""
    from pyslang import ast

    manager = tree.sourceManager
    found: list[Any] = []

    def keep(node: Any) -> Any:
        if hasattr(node, "valueText"):
            found.append(node)
        return ast.VisitAction.Advance

    tree.root.visit(keep)
    for token in found:
        number = manager.getLineNumber(manager.getFullyExpandedLoc(token.location))
        for trivia in token.trivia:
            if trivia.kind.name == "Directive":
                text = str(trivia.syntax()).strip().rpartition("\n")[2].strip()
                if text.split(None, 1)[:1] and text.split(None, 1)[0] in _HARMLESS:
                    place = trivia.syntax().sourceRange.start
                    yield manager.getLineNumber(manager.getFullyExpandedLoc(place)), f"{text}\n"
        if token.rawText:
            yield number, token.rawText
