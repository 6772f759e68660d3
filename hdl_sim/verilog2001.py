"""Tells whether code is Verilog-2001: the SystemVerilog constructs in a text that was asked to do without.

Reads source text; writes nothing. Reads it with the reserved words of each language, since a Verilog-2001 text may use
words such as ``bit`` or ``logic`` as names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autovcoder.records import Diagnostic
from hdl_sim.tokens import tokens

NOT_VERILOG_2001 = "NotVerilog2001"
_KEYWORDS = """
    accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof bit break byte chandle
    checker class clocking const constraint context continue cover covergroup coverpoint cross dist do endchecker
    endclass endclocking endgroup endinterface endpackage endprogram endproperty endsequence enum eventually expect
    export extends extern final first_match foreach forkjoin global iff ignore_bins illegal_bins implements implies
    import inside int interconnect interface intersect join_any join_none let local logic longint matches modport
    nettype new nexttime null package packed priority program property protected pure rand randc randcase randsequence
    ref reject_on restrict return s_always s_eventually s_nexttime s_until s_until_with sequence shortint shortreal
    soft solve static string strong struct super sync_accept_on sync_reject_on tagged this throughout timeprecision
    timeunit type typedef union unique unique0 until until_with untyped uwire var virtual void wait_order weak wildcard
    with within
"""
SYSTEMVERILOG_WORDS = frozenset(_KEYWORDS.split())
_TYPE_NAME = "the type name"
# Kinds of syntax that Verilog-2001 does not have, and what to call them. `_name_of` decides about those with no name.
_KINDS = {
    "PostincrementExpression": "'++'",
    "PostdecrementExpression": "'--'",
    "UnaryPreincrementExpression": "'++'",
    "UnaryPredecrementExpression": "'--'",
    "AddAssignmentExpression": "'+='",
    "SubtractAssignmentExpression": "'-='",
    "MultiplyAssignmentExpression": "'*='",
    "DivideAssignmentExpression": "'/='",
    "ModAssignmentExpression": "'%='",
    "AndAssignmentExpression": "'&='",
    "OrAssignmentExpression": "'|='",
    "XorAssignmentExpression": "'^='",
    "LogicalLeftShiftAssignmentExpression": "'<<='",
    "LogicalRightShiftAssignmentExpression": "'>>='",
    "ArithmeticLeftShiftAssignmentExpression": "'<<<='",
    "ArithmeticRightShiftAssignmentExpression": "'>>>='",
    "UnbasedUnsizedLiteralExpression": "an unsized literal such as '0 or '1",
    "AssignmentPatternExpression": "an assignment pattern '{...}",
    "WildcardPortConnection": "'.*'",
    "CastExpression": "a cast",
    "SignedCastExpression": "a cast",
    "StreamingConcatenationExpression": "streaming",
    "WildcardEqualityExpression": "'==?'",
    "WildcardInequalityExpression": "'!=?'",
    "InsideExpression": "'inside'",
    "ForVariableDeclaration": "a variable declared in a for loop",
    "PackageImportDeclaration": "a package import",
    "NamedType": "",
    "NamedBlockClause": "",
    "NamedPortConnection": "",
    "ScopedName": "",
    "ImplicitType": "",
    "RegType": "",
}


def is_verilog2001(code: str) -> bool:
    """True for code without a `violations`; quicker, for code that is known to parse and to be bounded.

    Raises:
        RuntimeError: the code nests too deep.
    """
    from hdl_sim.slang import parse

    tree = parse(f'`begin_keywords "1364-2001"\n{code}')
    return not any(d.isError() for d in tree.diagnostics) and next(_from_kinds(tree, first_line=1), None) is None


def violations(code: str) -> tuple[Diagnostic, ...]:
    """See `hdl_sim.slang.verilog2001_violations`."""
    from hdl_sim.slang import parse, text_is_bounded

    if not text_is_bounded(code):
        return ()
    try:
        strict = parse(f'`begin_keywords "1364-2001"\n{code}')
        modern = parse(code)
    except RuntimeError:
        return ()
    found = dict(_from_kinds(strict, first_line=1))
    broken, broken_anyway = (any(d.isError() for d in tree.diagnostics) for tree in (strict, modern))
    if found or broken:
        # Only now: in a text that reads well as Verilog-2001, such words are names.
        found |= dict(_from_words(code))
        found |= dict(_from_kinds(modern, first_line=0))
    if broken_anyway:
        # A slip such as a missing comma looks like a type name.
        found = {what: item for what, item in found.items() if not what[0].startswith(_TYPE_NAME)}
    if broken and not found and not broken_anyway:
        found |= dict(_from_diagnostics(strict))
    return tuple(sorted(found.values(), key=lambda d: (d.line or 0, d.column or 0)))


def _found(what: str, line: int, column: int) -> tuple[tuple[str, int], Diagnostic]:
    message = f"{what} is SystemVerilog, not Verilog-2001"
    place = {"line": max(line, 1), "column": max(column, 1)}
    return (what, line), Diagnostic(severity="error", message=message, code=NOT_VERILOG_2001, **place)


def _from_words(code: str) -> Iterator[tuple[tuple[str, int], Diagnostic]]:
    for token in tokens(code):
        if token.kind == "word" and token.text in SYSTEMVERILOG_WORDS:
            line = code.count("\n", 0, token.start) + 1
            yield _found(f"'{token.text}'", line, token.start - code.rfind("\n", 0, token.start))


def _from_kinds(tree: Any, *, first_line: int) -> Iterator[tuple[tuple[str, int], Diagnostic]]:
    from pyslang import syntax

    nodes: list[Any] = []
    tree.root.visit(lookup_table={getattr(syntax.SyntaxKind, name): nodes.append for name in _KINDS})
    manager = tree.sourceManager
    for node in nodes:
        what = _name_of(node, syntax)
        if what:
            place = manager.getFullyExpandedLoc(node.sourceRange.start)
            yield _found(what, manager.getLineNumber(place) - first_line, manager.getColumnNumber(place))


def _name_of(node: Any, syntax: Any) -> str:
    kind = node.kind.name
    if kind == "NamedType":
        word = str(node).split()[0] if str(node).split() else ""
        return f"'{word}'" if word in SYSTEMVERILOG_WORDS else f"{_TYPE_NAME} '{word[:40]}'"
    if kind == "NamedBlockClause":
        # Behind `begin` a name is Verilog; behind any kind of end it is not.
        return "" if _is_begin(node, syntax) else "a name behind an end"
    if kind == "NamedPortConnection":
        return "" if node.openParen.rawText else "a port connection without parentheses"
    if kind in ("ImplicitType", "RegType"):
        return "more than one packed dimension" if len(list(node.dimensions)) > 1 else ""
    if kind == "ScopedName":
        return "'::'" if node.separator.rawText == "::" else ""
    return _KINDS[kind]


def _is_begin(node: Any, syntax: Any) -> bool:
    parent = node.parent
    if not isinstance(parent, (syntax.BlockStatementSyntax, syntax.GenerateBlockSyntax)):
        return False
    opening = parent.blockName if isinstance(parent, syntax.BlockStatementSyntax) else parent.beginName
    return opening is not None and opening.sourceRange.start == node.sourceRange.start


def _from_diagnostics(tree: Any) -> Iterator[tuple[tuple[str, int], Diagnostic]]:
    import pyslang

    engine = pyslang.DiagnosticEngine(tree.sourceManager)
    for item in tree.diagnostics:
        if item.isError():
            place = tree.sourceManager.getFullyExpandedLoc(item.location)
            line, column = tree.sourceManager.getLineNumber(place) - 1, tree.sourceManager.getColumnNumber(place)
            yield _found(f"this ({engine.formatMessage(item)})", line, column)
