"""When a process runs, and what it then sets: whether that is what a netlist says of it.

Reads processes and case statements as slang elaborates them; writes nothing. Raises where a simulator would do another
thing than the circuit that Yosys reads out of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

_EDGES = frozenset({"PosEdge", "NegEdge"})
_COUNTING = frozenset({"Preincrement", "Predecrement", "Postincrement", "Postdecrement"})
_INT_BITS = 32


class Refused(Exception):
    """The netlist would not be the whole meaning; why is nobody's question."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process.

    Attributes:
        edges: it runs at edges. ``blocking``: what it sets at once; ``nonblocking``: later, at edges; ``deferred``:
            later, without edges.
        waits: it runs at the first change of one of ``reads``, not at the start.
    """

    symbol: Any
    edges: bool
    blocking: frozenset[Any]
    nonblocking: frozenset[Any]
    deferred: frozenset[Any]
    waits: bool = False
    reads: frozenset[Any] = frozenset()


def check_procedure(process: Any, counters: Collection[Any]) -> Process:
    """Raises: Refused: it does not run at each change of what it reads, nor at edges alone."""
    from pyslang import ast

    kind = process.procedureKind.name
    if kind == "Initial":
        return Process(process, False, frozenset(), frozenset(), frozenset())
    body = process.body
    events: list[Any] = []
    implicit = kind in ("AlwaysComb", "AlwaysLatch")
    if not implicit:
        if not isinstance(body, ast.TimedStatement):
            raise Refused
        timing, body = body.timing, body.stmt
        implicit = isinstance(timing, ast.ImplicitEventControl)
        if not implicit:
            events = list(getattr(timing, "events", [timing]))
            if not all(isinstance(event, ast.SignalEventControl) and event.iffCondition is None for event in events):
                raise Refused
    edges = [event.edge.name in _EDGES for event in events]
    if any(edges) and not all(edges):
        raise Refused
    at_once, later = _written(body)
    at_once -= set(counters)
    if not edges or not edges[0]:
        reads = symbols_read(body) - set(counters) - at_once - later
        if not implicit and not reads <= {_whole(event) for event in events}:
            raise Refused
        waits = kind == "Always"
        return Process(process, False, frozenset(at_once), frozenset(), frozenset(later), waits, frozenset(reads))
    return Process(process, True, frozenset(at_once), frozenset(later), frozenset())


def _whole(event: Any) -> Any:
    if event.edge.name != "None_" or not hasattr(event.expr, "symbol"):
        raise Refused
    return event.expr.symbol


def is_target(expression: Any) -> bool:
    """Whether it is a plain name."""
    from pyslang import ast

    return isinstance(expression, ast.NamedValueExpression)


def symbols_read(body: Any, *, everything: bool = False) -> set[Any]:
    """The variables and nets that a statement names, but where it sets all or a part of them."""
    from pyslang import ast

    found: set[Any] = set()
    set_at: set[int] = set()

    def look(node: Any) -> Any:
        if isinstance(node, ast.AssignmentExpression) and not node.isCompound:
            set_at.update(target.sourceRange.start.offset for target in _targets(node.left))
        if isinstance(node, ast.NamedValueExpression):
            wanted = everything or isinstance(node.symbol, (ast.VariableSymbol, ast.NetSymbol))
            if wanted and (everything or node.sourceRange.start.offset not in set_at):
                found.add(node.symbol)
        return ast.VisitAction.Advance

    body.visit(look)
    return found


def _written(body: Any) -> tuple[set[Any], set[Any]]:
    """What is set at once, and what later."""
    from pyslang import ast

    sets: tuple[set[Any], set[Any]] = (set(), set())

    def look(node: Any) -> Any:
        if isinstance(node, ast.AssignmentExpression):
            sets[node.isNonBlocking].update(target.symbol for target in _targets(node.left))
        elif isinstance(node, ast.UnaryExpression) and node.op.name in _COUNTING:
            sets[0].update(target.symbol for target in _targets(node.operand))
        return ast.VisitAction.Advance

    body.visit(look)
    return sets


def _targets(left: Any) -> Iterator[Any]:
    from pyslang import ast

    if isinstance(left, ast.NamedValueExpression):
        yield left
    elif isinstance(left, ast.ConcatenationExpression):
        for one in left.operands:
            yield from _targets(one)
    elif isinstance(left, (ast.ElementSelectExpression, ast.RangeSelectExpression, ast.MemberAccessExpression)):
        yield from _targets(left.value)
    else:
        raise Refused


def check_case(case: Any) -> set[int]:
    """Where in the text the labels' literals are that stand for any bit.

    Raises:
        Refused: a label is compared otherwise by Yosys: an x or z in it, or signs of two kinds; or synthesis is told
            that the labels are all there are.
    """
    condition = case.condition.name
    if case.check.name != "None_" or condition == "Inside":
        raise Refused
    selector = _unconverted(case.expr)
    if selector.type.isSigned:
        raise Refused
    wild: set[int] = set()
    if has_unknown(case.expr):
        raise Refused
    for label in (label for item in case.items for label in item.expressions):
        own = _unconverted(label)
        literals = _literals(label)
        if own.type.isSigned and (own.type.bitWidth != _INT_BITS or "-" in str(own.syntax)):
            raise Refused
        odd = "xz" if condition == "Normal" else "x" if condition == "WildcardJustZ" else ""
        if any(digit in value for digit in odd for _, value in literals):
            raise Refused
        wild.update(place for place, _ in literals)
    return wild


def _unconverted(expression: Any) -> Any:
    from pyslang import ast

    while isinstance(expression, ast.ConversionExpression) and expression.isImplicit:
        expression = expression.operand
    return expression


def has_unknown(expression: Any) -> bool:
    """Whether an x or a z is written in it."""
    return any("x" in value or "z" in value for _, value in _literals(expression))


def _literals(expression: Any) -> list[tuple[int, str]]:
    from pyslang import ast

    found: list[tuple[int, str]] = []

    def look(node: Any) -> Any:
        if isinstance(node, (ast.IntegerLiteral, ast.UnbasedUnsizedIntegerLiteral)):
            found.append((node.sourceRange.start.offset, str(node.value).lower()))
        return ast.VisitAction.Advance

    expression.visit(look)
    return found
