"""What the rubric measures inside procedures: latches, resets, kinds of assignment, nesting.

Reads the syntax tree of one procedural block; writes nothing. Judged on form: the tree is not elaborated, so a name is
taken as fully assigned when any part of it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_SELECT = re.compile(r"\[[^\[\]]*\]")
# Selects within selects that are looked through.
_NESTED = 4
# As a part of a name: `sys_rst_ni`, `resetn`, `i_clear`, but neither `port` nor `finite`.
_RESET = re.compile(r"(?<![a-z])[nsa]?(?:rst|reset|clr|clear|init|por|flush)[nbqpi]?(?![a-z])", re.IGNORECASE)
_EDGES = re.compile(r"\b(?:pos|neg)edge\b")
_SIZED = re.compile(r"\s*(\d+)\s*'[sS]?([bBoOdDhH])\s*([0-9a-fA-F_]+)\s*")
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16}

BlockKind = Literal["sequential", "combinational", "latch", "once"]


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """Measures of one procedural block.

    Attributes:
        kind: ``once`` is initial or final; ``latch`` says so itself (always_latch).
        typed: True where its keyword says what it is (always_ff, always_comb, always_latch).
        lines: of the block.
        listed: True where its sensitivity list is written out though the block is combinational.
        reset: True where a sequential block has a reset, by an edge or as its first condition.
        wrong: assignments of the kind that does not belong here (blocking in a sequential block, nonblocking in a
            combinational one); ``assignments``: all.
        latches: names that some path through a combinational block leaves unassigned.
        depth: statements within one another; ``chain``: the longest run of else-ifs.
    """

    kind: BlockKind
    typed: bool
    lines: int
    listed: bool
    reset: bool
    wrong: int
    assignments: int
    latches: int
    depth: int
    chain: int


def block_facts(node: Any) -> BlockFacts:
    """Measure a block.

    Raises:
        RecursionError: the statements nest too deep for us.
    """
    from pyslang import syntax

    keyword = node.kind.name
    timing, body = _timing(node.statement)
    kind = _kind(keyword, timing)
    blocking: list[Any] = []
    nonblocking: list[Any] = []
    node.visit(
        lookup_table={
            syntax.SyntaxKind.AssignmentExpression: blocking.append,
            syntax.SyntaxKind.NonblockingAssignmentExpression: nonblocking.append,
        }
    )
    plain = sum(found.parent.kind.name == "ExpressionStatement" for found in blocking)
    walk = _Walk()
    certain, possible = walk.statement(body, 1)
    return BlockFacts(
        kind=kind,
        typed=keyword != "AlwaysBlock",
        lines=str(node).strip().count("\n") + 1,
        listed=kind == "combinational" and timing is not None and "*" not in str(timing),
        reset=kind == "sequential" and (len(_EDGES.findall(str(timing))) > 1 or _starts_with_reset(body)),
        wrong={"sequential": plain, "combinational": len(nonblocking)}.get(kind, 0),
        assignments=plain + len(nonblocking),
        latches=len(possible - certain - walk.local) if kind == "combinational" else 0,
        depth=walk.depth,
        chain=walk.chain,
    )


def _timing(statement: Any) -> tuple[Any, Any]:
    """The event control in front of a block's statement, None where there is none, and the statement itself."""
    if statement.kind.name == "TimingControlStatement":
        return statement.timingControl, statement.statement
    return None, statement


def _kind(keyword: str, timing: Any) -> BlockKind:
    if keyword in ("InitialBlock", "FinalBlock"):
        return "once"
    if keyword == "AlwaysLatchBlock":
        return "latch"
    if keyword == "AlwaysFFBlock" or (timing is not None and re.search(r"\b(?:pos|neg)?edge\b", str(timing))):
        return "sequential"
    return "combinational"


def _starts_with_reset(body: Any) -> bool:
    """True where the first condition of a block asks for a reset."""
    while body is not None and body.kind.name == "SequentialBlockStatement":
        body = next((item for item in body.items if item.kind.name.endswith("Statement")), None)
    return body is not None and body.kind.name == "ConditionalStatement" and bool(_RESET.search(str(body.predicate)))


class _Walk:
    """A walk through statements that tells which names each assigns for certain, and which at all."""

    def __init__(self) -> None:
        self.depth = self.chain = 0
        self.local: set[str] = set()

    def statement(self, node: Any, depth: int) -> tuple[set[str], set[str]]:
        self.depth = max(self.depth, depth)
        kind = node.kind.name
        if kind == "ExpressionStatement":
            names = _assigned(node.expr)
            return names, set(names)
        if kind in ("SequentialBlockStatement", "ParallelBlockStatement"):
            return self._sequence(node.items, depth)
        if kind == "ConditionalStatement":
            return self._condition(node, depth)
        if kind == "CaseStatement":
            return self._case(node, depth)
        if kind == "DataDeclaration":
            self.local |= {declarator.name.valueText for declarator in _nodes(node.declarators)}
        elif kind in ("ForLoopStatement", "ForeachLoopStatement", "LoopStatement", "TimingControlStatement"):
            return self.statement(node.statement, depth + (kind != "TimingControlStatement"))
        return set(), set()

    def _sequence(self, items: Iterable[Any], depth: int) -> tuple[set[str], set[str]]:
        certain, possible = set[str](), set[str]()
        for item in items:
            some, more = self.statement(item, depth)
            certain |= some
            possible |= more
        return certain, possible

    def _condition(self, node: Any, depth: int) -> tuple[set[str], set[str]]:
        certain, possible = self.statement(node.statement, depth + 1)
        length = 1
        # A chain of else-ifs is one level to a reader, and may be longer than our stack.
        while node.elseClause is not None and node.elseClause.clause.kind.name == "ConditionalStatement":
            node = node.elseClause.clause
            some, more = self.statement(node.statement, depth + 1)
            certain &= some
            possible |= more
            length += 1
        self.chain = max(self.chain, length)
        if node.elseClause is None:
            return set(), possible
        some, more = self.statement(node.elseClause.clause, depth + 1)
        return certain & some, possible | more

    def _case(self, node: Any, depth: int) -> tuple[set[str], set[str]]:
        ways = [self.statement(item.clause, depth + 1) for item in node.items if hasattr(item.clause, "kind")]
        possible = set[str]().union(*(more for _, more in ways))
        complete = has_default(node) or covers_all(node) or str(node.uniqueOrPriority or "").strip() == "unique"
        if not (complete and ways):
            return set(), possible
        return set.intersection(*(some for some, _ in ways)), possible


def has_default(case: Any) -> bool:
    return any(item.kind.name == "DefaultCaseItem" for item in case.items)


def covers_all(case: Any) -> bool:
    """True where the labels are literals of one small width and all its values are there."""
    values, widths = set[int](), set[int]()
    for item in case.items:
        for label in _nodes(getattr(item, "expressions", ())):
            match = _SIZED.fullmatch(str(label))
            if not match:
                return False
            widths.add(int(match.group(1)[:4]))
            try:
                values.add(int(match.group(3), _BASES[match.group(2).lower()]))
            except ValueError:
                return False
    return len(widths) == 1 and max(widths) <= 8 and len(values) == 1 << max(widths)


def _nodes(separated: Any) -> list[Any]:
    """The nodes of a list, without the commas between them."""
    return [item for item in separated if not hasattr(item, "valueText")]


def _assigned(expression: Any) -> set[str]:
    """The names on the left of an assignment, without their selects."""
    if not expression.kind.name.endswith("AssignmentExpression"):
        return set()
    text = str(expression.left)
    for _ in range(_NESTED):
        text = _SELECT.sub(" ", text)
    return set(_NAME.findall(re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)))
