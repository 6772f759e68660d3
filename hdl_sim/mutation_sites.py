"""Where a design can be changed by one small slip, and what the slip would write there.

Reads a design's syntax tree; writes nothing. Only text that stands in the design as it is written is changed, so what
macros expand to is left alone, and so are headers, widths, delays, parameters of the header, and the steps of loops,
where a slip is a compile error or an endless loop rather than a wrong design.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hdl_sim.mutation_tables import OPERATORS, ORDER_MATTERS, SHIFTS, UNARY, other_numbers
from hdl_sim.mutation_text import DesignText, Span, edge_signals, names, nodes, word

if TYPE_CHECKING:
    from pyslang import syntax

MAX_NODES = 100_000
"""Nodes of a tree that are looked at; a design of a thousand lines has about 30,000."""
_LONGEST = 2000  # bytes of an expression that is written anew; an endless chain has one for each of its operators
_SHOWN = 200  # bytes of the text that describe a slip
# Not looked into: a slip there is no wrong design, but one that does not compile or that no tool agrees on.
_LEFT_ALONE = frozenset({
    "ModuleHeader", "VariableDimension", "PortDeclaration", "FunctionPortList", "DelayControl", "Delay3", "CycleDelay",
    "WaitStatement", "GenvarDeclaration", "SpecifyBlock", "AttributeInstance", "TypedefDeclaration", "DefParam",
    "ParameterValueAssignment", "StringLiteralExpression",
})  # fmt: skip
_SELECTS = frozenset({"BitSelect", "SimpleRangeSelect", "AscendingRangeSelect", "DescendingRangeSelect"})
_ASSIGNMENTS = frozenset({"AssignmentExpression", "NonblockingAssignmentExpression"})
_READING = frozenset({"ConditionalPredicate", "EqualsValueClause"})
_NUMBERS = frozenset({"IntegerLiteralExpression", "IntegerVectorExpression"})
_RESET_WORDS = ("rst", "reset", "clr", "clear")


@dataclass(frozen=True, slots=True)
class Site:
    """One slip.

    Attributes:
        kind: what sort of slip.
        edits: (start, end, text): bytes of the design's UTF-8 to be replaced; they do not overlap.
        what: the slip in words, where the edits do not say it well.
    """

    kind: str
    edits: tuple[tuple[int, int, str], ...]
    what: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the design a node stands."""

    number: str = "constant"  # the kind of a slip in a number there
    edges: tuple[str, ...] = ()  # signals whose edges start the process
    inputs: Mapping[str, int | None] | None = None
    outputs: Mapping[str, int | None] | None = None
    reads: bool = False


Ports = Mapping[str, tuple[Mapping[str, int | None], Mapping[str, int | None]]]
"""Module's name to the widths of its inputs and of its outputs, by name."""


def find_sites(tree: syntax.SyntaxTree, text: bytes, ports: Ports) -> Iterator[Site]:
    """Every slip of a design, in the order of its text."""
    return _Finder(tree, text, ports).sites()


class _Finder:
    def __init__(self, tree: syntax.SyntaxTree, text: bytes, ports: Ports) -> None:
        self._root = tree.root
        self._text = DesignText(tree.sourceManager, text)
        self._ports = ports

    def sites(self) -> Iterator[Site]:
        stack: list[tuple[Any, _Place]] = [(self._root, _Place())]
        for _ in range(MAX_NODES):
            if not stack:
                return
            node, place = stack.pop()
            kind = node.kind.name
            if kind in _LEFT_ALONE:
                continue
            yield from self._of(node, kind, place)
            children = list(self._inside(node, kind, place))
            stack.extend(reversed(children))

    def _inside(self, node: Any, kind: str, place: _Place) -> Iterator[tuple[Any, _Place]]:
        """The children that are looked at, each with its place."""
        if kind == "ModuleDeclaration":
            inputs, outputs = self._ports.get(node.header.name.valueText, ({}, {}))
            place = replace(place, inputs=inputs, outputs=outputs)
        elif kind in ("AlwaysBlock", "AlwaysFFBlock"):
            place = replace(place, edges=tuple(edge_signals(node)))
        elif kind == "ParameterDeclarationStatement":
            place = replace(place, number="parameter")
        elif kind in _SELECTS:
            place = replace(place, number="index")
        if kind in ("ForLoopStatement", "LoopGenerate"):
            # The start and the step of a loop are left alone; its end has a kind of its own.
            if node.stopExpr:
                yield node.stopExpr, replace(place, number="loop", inputs=None)
            yield (node.statement if kind == "ForLoopStatement" else node.block), place
            return
        reset = kind == "ConditionalStatement" and self._is_reset(node, place)
        for child in nodes(node):
            if reset and child == node.statement:
                yield child, replace(place, number="reset value")
            elif kind in _READING or (kind in _ASSIGNMENTS and child == node.right):
                yield child, replace(place, reads=True)
            elif hasattr(node, "operatorToken") and word(node.operatorToken) in SHIFTS and child == node.right:
                yield child, replace(place, number="index")
            else:
                yield child, place

    def _of(self, node: Any, kind: str, place: _Place) -> Iterator[Site]:
        """The slips of one node."""
        if kind in _NUMBERS:
            yield from self._numbers(node, place)
        elif kind in UNARY:
            yield from self._tokens(node.operatorToken, *UNARY[kind])
        elif kind in _ASSIGNMENTS:
            yield from self._stuck(node, place)
        elif hasattr(node, "operatorToken") and kind != "BinaryEventExpression":
            yield from self._binary(node, place)
        elif kind == "IdentifierName":
            yield from self._other_input(node, place)
        else:
            yield from self._special(node, kind, place)

    def _special(self, node: Any, kind: str, place: _Place) -> Iterator[Site]:
        match kind:
            case "ConditionalStatement":
                yield from self._condition(node.predicate, "reset" if self._is_reset(node, place) else "condition")
            case "ConditionalExpression":
                yield from self._condition(node.predicate, "condition")
            case "CaseStatement":
                yield from self._case(node)
            case "ConcatenationExpression":
                yield from self._neighbours("operands", nodes(node.expressions))
            case "HierarchicalInstance":
                connected = [getattr(connection, "expr", None) for connection in nodes(node.connections)]
                yield from self._neighbours("ports", [expression for expression in connected if expression])
            case "BitSelect":
                yield from self._off_by_one(node.expr)
            case "AscendingRangeSelect" | "DescendingRangeSelect":
                yield from self._off_by_one(node.left)
            case _:
                yield from self._of_statement(node, kind, place)

    def _of_statement(self, node: Any, kind: str, place: _Place) -> Iterator[Site]:
        match kind:
            case "SignalEventExpression" if word(node.edge) in ("posedge", "negedge"):
                other = "negedge" if word(node.edge) == "posedge" else "posedge"
                yield from self._tokens(node.edge, "edge", (other,))
            case "BinaryEventExpression" if place.edges:
                whole, left = self._text.span(node), self._text.span(node.left)
                if whole and left:
                    yield Site("asynchronous reset", ((left[1], whole[1], ""),))
            case "ExpressionStatement" if node.expr.kind.name in _ASSIGNMENTS:
                span = self._text.span(node)
                if span:
                    yield Site("assignment", ((*span, ";"),), f"{self._text.read(span, _SHOWN)} is missing")

    def _numbers(self, node: Any, place: _Place) -> Iterator[Site]:
        span = self._text.span(node)
        if span is None or (place.number == "parameter" and node.kind.name != "IntegerVectorExpression"):
            return
        for other in other_numbers(self._text.read(span), near=place.number in ("index", "loop")):
            yield Site(place.number, ((*span, other),))

    def _binary(self, node: Any, place: _Place) -> Iterator[Site]:
        operator = word(node.operatorToken)
        if operator not in OPERATORS:
            return
        kind, others = OPERATORS[operator]
        if place.number == "loop":
            # Only the next one: any other makes the loop end never or at once.
            kind, others = "loop", tuple(other for other in others if other.rstrip("=") == operator.rstrip("="))
        yield from self._tokens(node.operatorToken, kind, others)
        if operator in ORDER_MATTERS and place.number != "loop":
            yield from self._exchanged("operands", node.left, node.right)

    def _tokens(self, token: Any, kind: str, others: Sequence[str]) -> Iterator[Site]:
        start = self._text.offset(token.location)
        if start is None:
            return
        for other in others:
            # Spaces, for two operators beside one another may read as a third one.
            yield Site(kind, ((start, start + len(token.rawText.encode()), f" {other} "),))

    def _stuck(self, node: Any, place: _Place) -> Iterator[Site]:
        """An output that never shows a bit."""
        span = self._short(node.right)
        name = str(node.left).strip()
        width = (place.outputs or {}).get(name)
        if span is None or not width or word(node.operatorToken) not in ("=", "<="):
            return
        if width == 1:
            for value in "01":
                if self._text.read(span) not in (value, f"1'b{value}"):
                    yield Site("stuck", ((*span, f"(1'b{value})"),))
            return
        right = self._text.read(span)
        for bit in sorted({0, width // 2, width - 1}):
            one = 1 << bit
            yield Site("stuck", ((*span, f"(({right}) | {width}'h{one:x})"),), f"{name}[{bit}] is always 1")
            zero = (1 << width) - 1 - one
            yield Site("stuck", ((*span, f"(({right}) & {width}'h{zero:x})"),), f"{name}[{bit}] is always 0")

    def _other_input(self, node: Any, place: _Place) -> Iterator[Site]:
        name, inputs = node.identifier.valueText, place.inputs or {}
        span = self._text.span(node)
        if not place.reads or span is None or not inputs.get(name):
            return
        same = [other for other, width in inputs.items() if width == inputs[name] and other not in place.edges]
        if name in same and len(same) > 1:
            yield Site("signal", ((*span, same[(same.index(name) + 1) % len(same)] + " "),))

    def _condition(self, predicate: Any, kind: str) -> Iterator[Site]:
        span = self._short(predicate)
        if span is None:
            return
        yield Site(kind, ((*span, f"!({self._text.read(span)})"),))
        yield Site("condition stuck", ((*span, "(1'b1)"),))
        yield Site("condition stuck", ((*span, "(1'b0)"),))

    def _case(self, node: Any) -> Iterator[Site]:
        items = [item for item in node.items if item.kind.name in ("StandardCaseItem", "DefaultCaseItem")]
        for item in items if len(items) > 1 else []:
            span = self._text.span(item)
            if span:
                label = self._text.read(span, _SHOWN).split(":")[0].strip()
                yield Site("case item", ((*span, ""),), f"case item {label} is missing")
        yield from self._neighbours(
            "case labels", [item.expressions[0] for item in items if item.kind.name == "StandardCaseItem"]
        )

    def _off_by_one(self, node: Any) -> Iterator[Site]:
        span = self._short(node)
        if span is not None and node.kind.name not in _NUMBERS:
            yield Site("index", ((*span, f"({self._text.read(span)}) + 1"),))
            yield Site("index", ((*span, f"({self._text.read(span)}) - 1"),))

    def _neighbours(self, kind: str, nodes: Sequence[Any]) -> Iterator[Site]:
        for first, second in pairwise(nodes):
            yield from self._exchanged(kind, first, second)

    def _exchanged(self, kind: str, left: Any, right: Any) -> Iterator[Site]:
        first, second = self._short(left), self._short(right)
        if first is None or second is None or first[1] > second[0]:
            return
        texts = self._text.read(first), self._text.read(second)
        if texts[0] != texts[1]:
            what = f"{texts[0]} and {texts[1]} exchanged"
            yield Site(kind, ((*first, _safe(texts[1])), (*second, _safe(texts[0]))), what)

    def _short(self, node: Any) -> Span | None:
        span = self._text.span(node)
        return span if span and span[1] - span[0] <= _LONGEST else None

    def _is_reset(self, node: Any, place: _Place) -> bool:
        """True for the branch that resets: it asks for a signal whose edge starts the process, or one of that name."""
        if not place.edges:
            return False
        asked = names(node.predicate)
        named = len(asked) == 1 and any(word in next(iter(asked)).lower() for word in _RESET_WORDS)
        return bool(asked & set(place.edges)) or named


def _safe(text: str) -> str:
    """The text, with the space that must stand behind an escaped name."""
    return text + " " if "\\" in text else text
