"""What a candidate must not name: anything that lies outside its own modules.

Reads source text; writes nothing. Names are judged by form, because a candidate chooses its own hierarchy: compiled
alone, a name of the testbench can be made to resolve to something else, or to stand where nothing is elaborated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from autovcoder.records import Diagnostic
from hdl_sim.preprocess import uses_preprocessor
from hdl_sim.tokens import tokens

if TYPE_CHECKING:
    from pyslang import syntax

OUTSIDE, UNREADABLE = "OutsideReference", "Unreadable"
_MODULES = frozenset({"ModuleDeclaration", "InterfaceDeclaration", "PackageDeclaration", "ProgramDeclaration"})
_SCOPES = _MODULES | {
    "CompilationUnit", "GenerateBlock", "SequentialBlockStatement", "ParallelBlockStatement",
    "FunctionDeclaration", "TaskDeclaration", "ForLoopStatement", "ForeachLoopStatement", "ClassDeclaration",
}  # fmt: skip
_BLOCKS = frozenset({"GenerateBlock", "SequentialBlockStatement", "ParallelBlockStatement"})
_DECLARATIONS = frozenset({
    "Declarator", "TypedefDeclaration", "InstanceName", "NamedLabel", "NamedBlockClause", "ImplicitNonAnsiPort",
    "ClassDeclaration", "LetDeclaration",
})  # fmt: skip
_NAMED_SCOPES = frozenset({"FunctionDeclaration", "TaskDeclaration"})
_REFERENCES = frozenset({"ScopedName", "InvocationExpression", "DisableStatement", "ExpressionStatement"})


def outside_references(code: str, taken: Collection[str] = ()) -> tuple[Diagnostic, ...]:
    """Every reference by name out of a module of ``code``.

    A reference is a dotted name, a call, or a ``disable``: these are looked up in the modules above too. Its first name
    must be declared in a scope around it, its own module's last (the text's and imported packages' names too).
    Text that is too large or nested too deep gives nothing here; `read_source` tells. Text in which the front end finds
    errors of form may hold names that it passed over: dotted names and macros in it are refused.

    Args:
        taken: the testbench's modules, instances and labels. A dotted name that begins with one is refused whatever the
            design declares, for what it declares may stand in a branch of ``generate`` that is never built.
    """
    from hdl_sim.slang import parse, text_is_bounded

    if not text_is_bounded(code):
        return ()
    try:
        tree = parse(code)
        found = tuple(_References(tree).diagnostics(taken))
    except RuntimeError:
        return ()
    if any(diagnostic.isError() for diagnostic in tree.diagnostics):
        found += tuple(_unread_names(code))
    return found


def _unread_names(code: str) -> Iterator[Diagnostic]:
    if uses_preprocessor(code):
        yield Diagnostic(
            severity="error", message="a design that uses macros must be free of syntax errors", code=UNREADABLE
        )
    for before, token in pairwise(tokens(code)):
        if token.text == "." and (before.kind in ("word", "escaped") or before.text == "]"):
            message = f"{before.text[:60]}. is not allowed beside syntax errors: it may name what lies outside"
            line = code.count("\n", 0, token.start) + 1
            yield Diagnostic(severity="error", message=message, line=line, code=UNREADABLE)


class _References:
    """The names of each scope of one tree, and the references that they do not cover."""

    def __init__(self, tree: syntax.SyntaxTree) -> None:
        self._tree = tree
        self._names: defaultdict[Any, set[str]] = defaultdict(set)
        self._imports: set[tuple[str, str]] = set()
        self._packages: dict[str, set[str]] = {}
        self._references: list[Any] = []
        for node in _nodes(tree.root):
            self._collect(node)

    def diagnostics(self, taken: Collection[str]) -> Iterator[Diagnostic]:
        imported: set[str] = set()
        for package, item in self._imports:
            names = self._packages.get(package, set())
            imported |= names if item == "*" else names & {item}
        for node in self._references:
            first = _first_name(_named(node))
            dotted = _named(node).kind.name == "ScopedName"
            known = first in imported or any(first in self._names[key] for key in _scopes_around(node))
            if first and (not known or (dotted and first in taken)):
                message = f"{str(_named(node)).strip()[:60]} is not allowed in a design: it names what lies outside"
                yield diagnostic_at(self._tree, node.sourceRange.start, message, OUTSIDE)

    def _collect(self, node: Any) -> None:
        kind = node.kind.name
        if kind in _REFERENCES and not _is_inner(node) and _is_reference(node):
            self._references.append(node)
        elif kind == "PackageImportItem":
            self._imports.add((node.package.valueText, node.item.valueText))
        name = _declared(node)
        if name:
            self._names[next(_scopes_around(node, outer=_names_outwards(node)))].add(name)
        if kind == "PackageDeclaration":
            self._packages[node.header.name.valueText] = self._names[_key(node)]


def _nodes(root: Any) -> list[Any]:
    from pyslang import ast

    found: list[Any] = []

    def keep(node: Any) -> Any:
        if not hasattr(node, "valueText"):
            found.append(node)
        return ast.VisitAction.Advance

    root.visit(keep)
    return found


def _key(node: Any) -> tuple[str, Any, int, int]:
    """What two Python objects for one node have in common."""
    place = node.sourceRange
    return node.kind.name, str(place.start.buffer), place.start.offset, place.end.offset


def _scopes_around(node: Any, *, outer: bool = False) -> Iterator[tuple[str, Any, int, int]]:
    """The scopes that hold a node, the innermost first, to its module, then the text; ``outer`` leaves out one."""
    parent, in_module = node.parent, False
    while parent is not None:
        kind = parent.kind.name
        if kind in _SCOPES and not (in_module and kind in _MODULES):
            if outer:
                outer = False
            else:
                yield _key(parent)
            in_module = in_module or kind in _MODULES
        parent = parent.parent


def _names_outwards(node: Any) -> bool:
    """True for a label that stands in the block that it names."""
    return node.kind.name in ("NamedBlockClause", "NamedLabel") and node.parent.kind.name in _SCOPES


def _declared(node: Any) -> str:
    """The name that a node declares; empty for nodes that declare none."""
    kind = node.kind.name
    if kind in _NAMED_SCOPES:
        return _first_name(node.prototype.name)
    if kind == "LoopGenerate":
        return str(node.identifier.valueText)
    if kind == "NamedBlockClause":
        # Behind the end of a module, a function or a block it repeats a name, and declares none.
        front = getattr(node.parent, "blockName", None) or getattr(node.parent, "beginName", None)
        if node.parent.kind.name not in _BLOCKS or front is None or _key(front) != _key(node):
            return ""
    if kind in _DECLARATIONS:
        return str(getattr(getattr(node, "name", None), "valueText", None) or "")
    return ""


def _is_inner(node: Any) -> bool:
    """True for a name that is part of a larger one, or that a call or ``disable`` stands for."""
    parent = node.parent
    if parent is None or node.kind.name != "ScopedName":
        return False
    if parent.kind.name == "ScopedName":
        return True
    return parent.kind.name in ("InvocationExpression", "DisableStatement") and _key(_named(parent)) == _key(node)


def _is_reference(node: Any) -> bool:
    """False for a statement that is more than the name of a task."""
    return bool(node.kind.name != "ExpressionStatement" or node.expr.kind.name == "IdentifierName")


def _named(node: Any) -> Any:
    """The name in a reference."""
    kind = node.kind.name
    if kind == "InvocationExpression":
        return node.left
    if kind == "ExpressionStatement":
        return node.expr
    return node.name if kind == "DisableStatement" else node


def _first_name(name: Any) -> str:
    """The leftmost name of a dotted one; empty where it is a package's, which reaches no module, or no plain name."""
    while name.kind.name == "ScopedName":
        if name.separator.valueText == "::" or "::" in str(name.separator):
            return ""
        name = name.left
    if name.kind.name in ("IdentifierName", "IdentifierSelectName"):
        return str(name.identifier.valueText)
    return ""


def diagnostic_at(tree: syntax.SyntaxTree, location: Any, message: str, code: str) -> Diagnostic:
    """An error at a place of a tree, in the line that a reader sees even where a macro made the text."""
    manager = tree.sourceManager
    place = manager.getFullyExpandedLoc(location)
    return Diagnostic(
        severity="error",
        message=message,
        line=manager.getLineNumber(place) or None,
        column=manager.getColumnNumber(place) or None,
        code=code,
    )
