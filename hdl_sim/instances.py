"""Guesses from above how many instances a text asks for, before a front end makes them and memory runs out.

Reads the syntax of modules; writes nothing. Arrays and loops within arrays and loops multiply: each may be of an
ordinary size, and a few lines still ask for more than any memory holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

# slang needs about three kilobytes for an instance; see also `MAX_ARRAY` and `MAX_STEPS`, of one array or one module.
MAX_INSTANCES = 100_000
MAX_ARRAY, MAX_STEPS = 1024, 16_384
_LITERAL = re.compile(r"(?:\d[\d_]*\s*)?'[sS]?([dDhHoObB])\s*([\da-fA-F_]+)|(?<![\w'.$])(\d[\d_]*)")
_NAME = re.compile(r"(?<![\w'$])[A-Za-z_][\w$]*")
# What makes large numbers of small ones: not followed, taken for the largest.
_GROWS = re.compile(r"\*|<<|\(|\\")
_BASES = {"d": 10, "h": 16, "o": 8, "b": 2}


def instances_bound(modules: Sequence[Any]) -> int:
    """At most so many instances lie below any of these module declarations, to go by the numbers in the text.

    Limits: a number given to a parameter by position, or by ``defparam``, is not followed.
    """
    from pyslang import syntax

    kinds = syntax.SyntaxKind
    found: defaultdict[str, list[Any]] = defaultdict(list)
    numbers: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules:
        name = module.header.name.valueText
        module.visit(lookup_table={
            kinds.HierarchyInstantiation: found[name].append,
            kinds.Declarator: lambda node: numbers[node.name.valueText].add(str(node.initializer or "")),
            kinds.NamedParamAssignment: lambda node: numbers[node.name.valueText].add(str(node.expr or "")),
        })  # fmt: skip
    children = {
        name: [(item.type.valueText, _copies(item, numbers)) for item in items] for name, items in found.items()
    }
    totals: dict[str, int] = {}

    def total(name: str, depth: int) -> int:
        if name not in totals:
            totals[name] = 1  # of a module within itself: the front end bounds the depth
            if depth < 64:
                totals[name] += sum(count * total(child, depth + 1) for child, count in children.get(name, ()))
        return totals[name]

    return max((total(name, 0) for name in children if children[name]), default=0)


def _copies(item: Any, numbers: dict[str, set[str]]) -> int:
    """How many instances one instantiation makes in one copy of its module, loops around it included."""
    arrays = 0
    for instance in item.instances:
        if not hasattr(instance, "decl"):
            continue  # a comma between two
        dimensions = instance.decl.dimensions if instance.decl is not None else ()
        size = 1
        for dimension in dimensions:
            size *= _largest(str(dimension), numbers, MAX_ARRAY, 4)
        arrays += size
    loops, parent = 1, item.parent
    while parent is not None:
        if parent.kind.name == "LoopGenerate":
            loops *= max(_largest(str(e), numbers, MAX_STEPS, 4) for e in (parent.initialExpr, parent.stopExpr))
        parent = parent.parent
    return arrays * min(loops, MAX_STEPS)


def _largest(text: str, numbers: dict[str, set[str]], cap: int, depth: int) -> int:
    """The largest number that an expression names, itself or through its names, from 1 to ``cap``."""
    inside = text.strip().removeprefix("[").removesuffix("]")
    if _GROWS.search(inside) or depth == 0:
        return cap
    found = [1]
    for base, digits, plain in _LITERAL.findall(inside):
        try:
            found.append(int((digits or plain).replace("_", ""), _BASES[base.lower()] if base else 10) + 1)
        except ValueError:
            return cap
    for name in _NAME.findall(inside):
        found += [_largest(other.lstrip(" ="), numbers, cap, depth - 1) for other in numbers.get(name, ()) if other]
    return min(max(found), cap)
