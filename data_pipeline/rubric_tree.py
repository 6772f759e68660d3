"""What the rubric measures on the syntax tree of a module: structure, operators, parameters, procedures, warnings.

Reads a module's text through the slang front end, which bounds it; writes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from autovcoder.errors import InputError
from data_pipeline.rubric_blocks import BlockFacts, block_facts, covers_all, has_default
from hdl_sim.instances import MAX_INSTANCES, instances_bound
from hdl_sim.slang import code_name, compile_tree, is_hard, module_nodes, parse, text_is_bounded

_NAME = re.compile(r"(?<!['\w$`.])[A-Za-z_]\w*")
# Warnings of the front end that mean a slip; its remarks on style and on unknown modules say little about a module.
SLIPS = frozenset({
    "WidthTruncate", "WidthExpand", "PortWidthTruncate", "PortWidthExpand", "ArithOpMismatch", "BitwiseOpMismatch",
    "ComparisonMismatch", "CaseTypeMismatch", "SignCompare", "SignConversion", "IndexOOB", "RangeOOB",
    "ConstantConversion", "UsedBeforeDeclared", "DanglingElse", "MisleadingIndentation", "DivisionByZero",
    "VectorLiteralOverflow", "EmptyBody", "CaseOverlap", "CaseDup", "CaseOutsideRange", "BitwiseOpParentheses",
    "LogicalOpParentheses", "LogicalNotParentheses", "MixedVarAssigns", "MultipleAlwaysAssigns", "MultipleContAssigns",
    "UnconnectedInputPort",
})  # fmt: skip
# What a header elsewhere defines leaves a hole, over which the parser then stumbles.
_HOLES = frozenset({"UnknownDirective", "ExceededMaxIncludeDepth"})
# Characters of an expression that is compared with others.
_LONGEST = 200
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*")
_KINDS = """
    AlwaysBlock AlwaysFFBlock AlwaysCombBlock AlwaysLatchBlock InitialBlock CaseStatement ParameterDeclaration
    VariableDimension HierarchyInstantiation HierarchicalInstance NamedPortConnection OrderedPortConnection
    WildcardPortConnection FunctionDeclaration TaskDeclaration LoopGenerate IfGenerate CaseGenerate ForLoopStatement
    ConditionalExpression MultiplyExpression DivideExpression ModExpression AddExpression SubtractExpression
    DelayControl SystemName Declarator ImplicitNonAnsiPort InstanceName ContinuousAssign TypedefDeclaration
    PrimitiveInstantiation CaseEqualityExpression CaseInequalityExpression
    AssertPropertyStatement ImmediateAssertStatement
"""


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """Counts and measures of one module; see the fields' names, and `data_pipeline.rubric` for what they mean to it.

    Attributes:
        names: declared signals, ports and instances, without genvars and parameters.
        ranges: packed and unpacked dimensions that do not name single bits; ``named_ranges``: with a name in them.
        ternary: the longest chain of ?: in one expression.
        costly: dividers, and remainders by what is no power of two, and multipliers of two variables.
        repeated: arithmetic of some size that stands there again in the same words.
        slips: warnings of the front end by `SLIPS`.
        unknown_macros: uses of macros that the text does not define, and includes.
    """

    names: tuple[str, ...]
    ports: int
    old_ports: bool
    parameters: int
    constants: int
    ranges: int
    named_ranges: int
    instances: int
    named: int
    ordered: int
    primitives: int
    functions: int
    generates: int
    loops: int
    sizes: int
    types: int
    assigns: int
    cases: int
    closed_cases: int
    casex: int
    ternary: int
    costly: int
    repeated: int
    delays: int
    unknown_compares: int
    blocks: tuple[BlockFacts, ...]
    slips: int
    implicit: int
    unknown_macros: int
    assertions: int


def tree_facts(text: str) -> TreeFacts:
    """Parse a module's text and measure the first module in it.

    Raises:
        InputError: the text is not RTL by the front end, is too large or nested too deep, or has no module.
    """
    if not text_is_bounded(text):
        raise InputError("the text is too large, or nests too deep")
    try:
        tree = parse(text)
        modules = module_nodes(tree)
        errors = [code_name(item) for item in tree.diagnostics if is_hard(item)]
        if not modules:
            raise InputError("the text has no module")
        if errors and not _HOLES & set(errors):
            raise InputError(f"the text does not parse ({errors[0]})")
        if instances_bound(modules) > MAX_INSTANCES:
            raise InputError("the text makes too many instances")
        codes = Counter(code_name(item) for item in compile_tree(tree).getAllDiagnostics())
        found: dict[str, list[Any]] = {name: [] for name in _KINDS.split()}
        _collect(modules[0], found)
        return _facts(modules[0], found, codes)
    except MemoryError:
        raise InputError("the text needs too much memory") from None
    except (RuntimeError, RecursionError):
        raise InputError("the text nests too deep") from None


def _collect(module: Any, found: dict[str, list[Any]]) -> None:
    from pyslang import syntax

    module.visit(lookup_table={getattr(syntax.SyntaxKind, name): nodes.append for name, nodes in found.items()})


def _facts(module: Any, found: dict[str, list[Any]], codes: Counter[str]) -> TreeFacts:
    ports = module.header.ports
    parameters, constants = (
        {d.name.valueText for node in declarations for d in node.declarators if hasattr(d, "name")}
        for declarations in _by_keyword(found["ParameterDeclaration"])
    )
    declared = [node.name.valueText for node in found["Declarator"] + found["InstanceName"]]
    dimensions = [str(node) for node in found["VariableDimension"]]
    blocks = [node for kind in ("AlwaysBlock", "AlwaysFFBlock", "AlwaysCombBlock", "AlwaysLatchBlock", "InitialBlock")
              for node in found[kind]]  # fmt: skip
    count = {name: len(nodes) for name, nodes in found.items()}
    cases = found["CaseStatement"]
    return TreeFacts(
        names=tuple(name for name in dict.fromkeys(declared) if name not in constants | parameters),
        ports=sum(hasattr(item, "kind") and not hasattr(item, "valueText") for item in getattr(ports, "ports", ())),
        old_ports=count["ImplicitNonAnsiPort"] > 0,
        parameters=len(parameters),
        constants=len(constants),
        ranges=len(dimensions),
        named_ranges=sum(bool(_NAME.search(text)) for text in dimensions),
        instances=count["HierarchyInstantiation"],
        named=count["NamedPortConnection"] + count["WildcardPortConnection"],
        ordered=sum(n.parent.parent.kind.name == "HierarchyInstantiation" for n in found["OrderedPortConnection"]),
        primitives=count["PrimitiveInstantiation"],
        functions=count["FunctionDeclaration"] + count["TaskDeclaration"],
        generates=count["LoopGenerate"] + count["IfGenerate"] + count["CaseGenerate"],
        loops=count["LoopGenerate"] + count["ForLoopStatement"],
        sizes=sum(str(node).strip() in ("$clog2", "$bits", "$size") for node in found["SystemName"]),
        types=count["TypedefDeclaration"],
        assigns=count["ContinuousAssign"],
        cases=len(cases),
        closed_cases=sum(has_default(c) or bool(str(c.uniqueOrPriority)) or covers_all(c) for c in cases),
        casex=sum(node.caseKeyword.valueText == "casex" for node in cases),
        ternary=_longest_ternary(found["ConditionalExpression"]),
        costly=_costly(found, constants | parameters),
        repeated=_repeated(found),
        delays=count["DelayControl"],
        unknown_compares=count["CaseEqualityExpression"] + count["CaseInequalityExpression"],
        blocks=tuple(block_facts(node) for node in blocks),
        slips=sum(codes[name] for name in SLIPS),
        implicit=codes["ImplicitNet"] + codes["ImplicitNetPortNotAllowed"],
        unknown_macros=sum(codes[name] for name in _HOLES),
        assertions=count["AssertPropertyStatement"] + count["ImmediateAssertStatement"],
    )


def _by_keyword(declarations: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Declarations of parameters, and those of local parameters."""
    parts: tuple[list[Any], list[Any]] = [], []
    for node in declarations:
        parts[node.keyword.valueText == "localparam"].append(node)
    return parts


def _longest_ternary(nodes: Iterable[Any]) -> int:
    longest = 0
    depth: dict[Any, int] = {}
    for node in nodes:  # outer ones come first
        place = node.sourceRange.start.offset, node.sourceRange.end.offset
        here = depth.get(place, 1)
        longest = max(longest, here)
        for side in (node.left, node.right):
            while side.kind.name == "ParenthesizedExpression":
                side = side.expression
            if side.kind.name == "ConditionalExpression":
                depth[side.sourceRange.start.offset, side.sourceRange.end.offset] = here + 1
    return longest


def _costly(found: dict[str, list[Any]], constants: set[str]) -> int:
    def variable(node: Any) -> bool:
        return any(not (n in constants or _CONSTANT.fullmatch(n)) for n in _NAME.findall(_text(node)))

    products = sum(variable(n.left) and variable(n.right) for n in found["MultiplyExpression"])
    quotients = found["DivideExpression"] + found["ModExpression"]
    return products + sum(variable(n.left) and not _power_of_two(str(n.right)) for n in quotients)


def _power_of_two(text: str) -> bool:
    digits = text.strip().rpartition("'d")[2]
    return digits.isdigit() and int(digits[:9]).bit_count() == 1


def _repeated(found: dict[str, list[Any]]) -> int:
    arithmetic = [n for kind in ("AddExpression", "SubtractExpression", "MultiplyExpression") for n in found[kind]]
    texts = Counter("".join(_text(node).split()) for node in arithmetic)
    return sum(times - 1 for text, times in texts.items() if times > 1 and len(text) > 10 and _NAME.search(text))


def _text(node: Any) -> str:
    """The text of an expression, and of a long one nothing: a chain of operators holds all its shorter selves."""
    place = node.sourceRange
    return str(node) if place.end.offset - place.start.offset <= _LONGEST else ""
