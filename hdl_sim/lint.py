"""What a tool for code review would say of a design that compiles: widths, cases, latches, what is unused or undriven.

Reads RTL text; writes nothing but into a sandbox's folder. A fixed list of slang's warnings, and, where Yosys is
installed, what `synthesizable.py` says. A finding is advice, never a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from autovcoder.errors import ToolFailed, ToolMissing
from autovcoder.records import Diagnostic, Record
from hdl_sim.preprocess import preprocessed
from hdl_sim.slang import code_name, compile_tree, is_hard, parse, read_source
from hdl_sim.statement import main_module
from hdl_sim.synthesizable import Finding, form_findings, unsynthesizable
from hdl_sim.tokens import is_word, plain_lines, tokens
from hdl_sim.tools import tool_version

if TYPE_CHECKING:
    import pyslang

# Of slang's warnings those that are mostly mistakes. Left out are those that nearly every design of a text book has
# (growing widths, signs of constants, a vector as a condition). docs/generate.md lists them.
_WIDTHS = """
    WidthTruncate PortWidthTruncate PortWidthExpand ConstantConversion VectorLiteralOverflow UnsizedInConcat IndexOOB
    RangeOOB ShiftCountOverflow
"""
_MEANING = """
    SignCompare UnsignedArithShift BitwiseRelPrecedence LogicalNotParentheses ConsecutiveComparison DivisionByZero
    EmptyBody MultiBitEdge LoopCondNotModified ImplicitNet
"""
_CASES = "CaseDefault CaseDup CaseUnreachable CaseOverlap CaseOutsideRange CaseZWithX"
_DRIVERS = """
    InferredLatch InferredComb MultipleAlwaysAssigns MultipleContAssigns MixedVarAssigns UndrivenNet UndrivenPort
    UnassignedVariable UnconnectedInputPort EmptyInputPortConn
"""
_UNUSED = """
    UnusedPort UnusedNet UnusedImplicitNet UnusedVariable UnusedParameter UnusedSubroutine UnusedArgument UnusedGenvar
    UnusedButSetNet UnusedButSetPort UnusedButSetVariable
"""
SLANG_CODES = frozenset(f"{_WIDTHS}{_MEANING}{_CASES}{_DRIVERS}{_UNUSED}".split())
# A design that needs more steps than this to follow its cases and loops is followed no further.
_MOST_STEPS = 4096


class Lint(Record):
    """What was found in a design.

    Attributes:
        findings: by line; those that no line can be told of come last. ``code`` is slang's name of the warning, or
            the code of a `hdl_sim.synthesizable.Finding`.
        synthesis: name and version of the tool that looked for latches, loops and several drivers; None where none did.
        without: why none did; empty where one did.
    """

    findings: tuple[Diagnostic, ...]
    synthesis: str | None = None
    without: str = ""


def lint(design: str, top: str | None = None) -> Lint:
    """What there is to say of a design that compiles; nothing of one that slang cannot read.

    Synthesis is asked where the form alone shows nothing that is no hardware, and says the first thing that it finds.

    Args:
        top: the module to synthesize; the one that no other instantiates when not given.
    """
    design = plain_lines(design.encode(errors="replace").decode())
    source = read_source(design)
    if source.refused or source.errors or not source.modules:
        return Lint(findings=(), without="the design has errors")
    try:
        found = list(_slang_findings(design))
        form = list(form_findings(preprocessed(design)))
    except (RuntimeError, MemoryError):  # it nests too deep
        return Lint(findings=(), without="the design nests too deep")
    synthesis, without = None, "other findings come first"
    if not form:
        try:
            finding = unsynthesizable(design, top or main_module(source).name)
            form = [finding] if finding else []
            synthesis, without = f"Yosys {tool_version('yosys') or '(unknown version)'}", ""
        except ToolMissing:
            without = "Yosys is not installed"
        except ToolFailed as error:
            without = str(error)
    found += [_as_diagnostic(one, design) for one in form]
    ordered = sorted(dict.fromkeys(found), key=lambda one: (one.line is None, one.line or 0, one.column or 0))
    return Lint(findings=tuple(ordered), synthesis=synthesis, without=without)


def _slang_findings(design: str) -> Iterator[Diagnostic]:
    import pyslang
    from pyslang import analysis

    tree = parse(design)
    compilation = compile_tree(tree)
    found = list(compilation.getAllDiagnostics())
    options = analysis.AnalysisOptions()
    options.flags = analysis.AnalysisFlags.CheckUnused
    options.maxCaseAnalysisSteps = options.maxLoopAnalysisSteps = _MOST_STEPS
    manager = analysis.AnalysisManager(options)
    manager.analyze(compilation)
    engine = pyslang.DiagnosticEngine(tree.sourceManager)
    yield from _listed(found, tree.sourceManager, engine)
    yield from _listed(manager.getDiagnostics(), tree.sourceManager, engine)


def _listed(
    found: Iterable[pyslang.Diagnostic], manager: pyslang.SourceManager, engine: pyslang.DiagnosticEngine
) -> Iterator[Diagnostic]:
    for item in found:
        name = code_name(item)
        if name not in SLANG_CODES or is_hard(item):
            continue
        place = manager.getFullyExpandedLoc(item.location)
        try:
            message = str(engine.formatMessage(item))
        except UnicodeDecodeError:
            message = name
        yield Diagnostic(
            severity="warning",
            message=message,
            line=manager.getLineNumber(place) or None,
            column=manager.getColumnNumber(place) or None,
            code=name,
        )


def _as_diagnostic(finding: Finding, design: str) -> Diagnostic:
    line = finding.line or _line_of(finding.what.partition(" ")[0], design)
    return Diagnostic(severity="warning", message=finding.what, line=line, code=finding.code)


def _line_of(name: str, design: str) -> int | None:
    """Where a signal is first named, for what synthesis says names no line."""
    start = next((token.start for token in tokens(design) if is_word(token, name)), None)
    return None if start is None else design.count("\n", 0, start) + 1
