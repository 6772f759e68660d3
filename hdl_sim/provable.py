"""Which designs may be compared by proof: those whose form a netlist of Yosys 0.23 keeps the whole meaning of.

Reads a design's text; writes nothing. A simulator follows events, four values and every driver of a net; Yosys reads a
circuit out of them and is silent on what it drops. All that is known to be lost is refused here, on slang's tree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hdl_sim.procedures import Refused, check_case, check_procedure, has_unknown, is_target, symbols_read
from hdl_sim.slang import code_name, compile_tops, parse, text_is_bounded
from hdl_sim.synthesizable import form_findings

_NETS = frozenset({"Wire", "Tri", "UWire"})
_GATES = frozenset({"and", "nand", "or", "nor", "xor", "xnor", "buf", "not"})
_CALLS = frozenset({"$signed", "$unsigned", "$clog2", "$bits"})
_OUTSIDE = frozenset({"IndexOOB", "RangeOOB", "RangeWidthOOB"})
# Kinds of the tree that Yosys reads otherwise than a simulator does, or leaves out.
_LOST = (
    "HierarchicalValueExpression InstanceArraySymbol NetAliasSymbol StringLiteral RealLiteral TimeLiteral"
    " InsideExpression ImmediateAssertionStatement ConcurrentAssertionStatement"
)
_KINDS = frozenset(_LOST.split())


@dataclass(frozen=True, slots=True)
class Form:
    """What has to be known of a design's text beside its netlist.

    Attributes:
        idle: names of outputs that a process sets that reads nothing that changes, and therefore never runs.
        no_x: nothing in the text makes an x but what is an x in the netlist's own cells: an x that Yosys chooses from,
            where it reads a process, is one of its own, for what never happens.
    """

    idle: frozenset[str]
    no_x: bool


@lru_cache(maxsize=64)
def provable(text: str, top: str) -> Form | None:
    """Whether the netlist of ``top``, with the defaults of its parameters, is all that simulation could show.

    None: it is not.

    Args:
        text: without macros, comments and attributes (`synthesizable.bare`), and bounded.
    """
    from pyslang import analysis

    try:
        if "`" in text or any(finding.code != "initial-only" for finding in form_findings(text)):
            return None
        for compilation in compile_tops(parse(text), [top]):
            found = [instance for instance in compilation.getRoot().topInstances if instance.name == top]
            if not found:
                continue
            outside = any(code_name(one) in _OUTSIDE for one in compilation.getAllDiagnostics())
            compilation.freeze()
            manager = analysis.AnalysisManager(analysis.AnalysisOptions())
            manager.analyze(compilation)
            design = _Design(found[0])
            return Form(design.check(manager), no_x=not (design.makes_x or outside))
    except (RuntimeError, Refused):
        return None
    return None


def overrides_parameters(texts: Iterable[str], module: str) -> bool:
    """Whether a testbench may give parameters of ``module`` other values than their defaults."""
    from pyslang import syntax

    for text in texts:
        if not text_is_bounded(text):
            return True
        found: list[Any] = []
        try:
            kinds = syntax.SyntaxKind
            tree = parse(text)  # kept, for its nodes do not keep it
            tree.root.visit(lookup_table={kinds.HierarchyInstantiation: found.append, kinds.DefParam: found.append})
        except RuntimeError:
            return True
        if any(node.kind.name == "DefParam" for node in found):
            return True
        if any(node.type.valueText == module and node.parameters is not None for node in found):
            return True
    return False


class _Design:
    """One elaborated design.

    Attributes:
        users: symbol to the processes, assignments and instances that name it; initial blocks are none.
        counters: symbols that count loops, and are named nowhere else.
        makes_x: an x is written somewhere, or a function may not set all that it gives.
    """

    def __init__(self, top: Any) -> None:
        self._top = top
        self.users: dict[Any, set[Any]] = defaultdict(set)
        self.symbols: list[Any] = []
        self.counters: set[Any] = set()
        self.makes_x = False
        self._outside: set[Any] = set()
        self._labels: set[int] = set()
        self._ports: set[Any] = set()  # the symbols behind ports of instances
        self._processes: list[Any] = []
        self._has_x = False
        self._live: set[Any] = set()

    def check(self, manager: Any) -> frozenset[str]:
        """The outputs that are idle.

        Raises:
            Refused: not provable.
        """
        self._visit(self._top.body, self._top)
        self.counters -= self._outside
        if self._has_x and any(not symbol.type.isIntegral for symbol in self.symbols):
            raise Refused  # an x in a memory looks as the address and data of no write do
        for symbol in self.symbols:
            if symbol not in self.counters:
                self._check_symbol(symbol, list(manager.getDrivers(symbol)))
        found = [check_procedure(process, self.counters) for process in self._processes]
        if any(process.deferred for process in found) and any(process.edges for process in found):
            raise Refused  # when a clock that is made of logic comes late, its edge does
        blocking = {symbol for process in found for symbol in process.blocking}
        if blocking & {symbol for process in found for symbol in (*process.deferred, *process.nonblocking)}:
            raise Refused
        for process in found:
            if process.edges:
                for symbol in process.blocking:
                    if self.users[symbol] - {process.symbol} or symbol in self._ports:
                        raise Refused  # which process is first at an edge is left open
        idle = {
            symbol: process.symbol
            for process in found
            if self._is_idle(process)
            for symbol in (*process.blocking, *process.deferred)
        }
        if any(self.users[symbol] - {process} or symbol in self._ports for symbol, process in idle.items()):
            raise Refused
        return frozenset(symbol.name for symbol in idle)

    def _is_idle(self, process: Any) -> bool:
        return process.waits and not process.reads & self._live

    def _visit(self, root: Any, user: Any, loops: frozenset[Any] = frozenset()) -> None:
        from pyslang import ast

        def look(node: Any) -> Any:
            if isinstance(node, ast.ProceduralBlockSymbol):
                self._processes.append(node)
                self._visit(node.body, None if node.procedureKind.name == "Initial" else node)
                return ast.VisitAction.Skip
            if isinstance(node, ast.ContinuousAssignSymbol):
                self._visit(node.assignment, node)
                return ast.VisitAction.Skip
            if isinstance(node, ast.ForLoopStatement):
                inside = loops | self._counted(node)
                for part in (*node.initializers, node.stopExpr, *node.steps, node.body):
                    if part is not None:
                        self._visit(part, user, inside)
                return ast.VisitAction.Skip
            if isinstance(node, ast.InstanceSymbol):
                self._connect(node)
            self._check_node(node)
            if isinstance(node, ast.NamedValueExpression):
                if user is not None:
                    self.users[node.symbol].add(user)
                if node.symbol not in loops:
                    self._outside.add(node.symbol)
            return ast.VisitAction.Advance

        root.visit(look)

    def _counted(self, loop: Any) -> frozenset[Any]:
        from pyslang import ast

        firsts: list[Any] = [one.left for one in loop.initializers if isinstance(one, ast.AssignmentExpression)]
        found = frozenset({one.symbol for one in firsts if is_target(one)} | set(loop.loopVars))
        self.counters |= found
        return found

    def _connect(self, instance: Any) -> None:
        for connection in instance.portConnections:
            inside = getattr(connection.port, "internalSymbol", None)
            if inside is None or connection.port.direction.name not in ("In", "Out"):
                raise Refused
            self._ports.add(inside)
            if connection.expression is not None:
                self._visit(connection.expression, instance)

    def _check_node(self, node: Any) -> None:
        from pyslang import ast

        kind = type(node).__name__
        _refuse(kind in _KINDS or (kind == "BinaryExpression" and node.op.name.startswith("Wildcard")))
        if isinstance(node, (ast.VariableSymbol, ast.NetSymbol)):
            self.symbols.append(node)
        elif kind in ("ParameterSymbol", "EnumValueSymbol"):
            _refuse(bool(set("xz") & set(str(node.value).lower())))
        elif kind == "PortSymbol":
            _refuse(node.direction.name not in ("In", "Out"))
        elif kind == "PrimitiveInstanceSymbol":
            _refuse(node.primitiveType.name not in _GATES)
        elif kind == "SubroutineSymbol":
            self.makes_x = True
            _check_function(node)
        elif kind == "CallExpression":
            _refuse(node.isSystemCall and node.subroutineName not in _CALLS)
        elif kind == "CaseStatement":
            self._labels |= check_case(node)
        elif kind in ("ConditionalStatement", "ConditionalExpression"):
            _refuse(getattr(node, "check", None) is not None and node.check.name != "None_")
            _refuse(any(has_unknown(condition.expr) for condition in node.conditions))
        elif kind in ("ElementSelectExpression", "RangeSelectExpression"):
            _refuse(any(has_unknown(one) for one in _selectors(node)))
        elif kind in ("IntegerLiteral", "UnbasedUnsizedIntegerLiteral"):
            value, free = str(node.value).lower(), node.sourceRange.start.offset not in self._labels
            _refuse("z" in value and free)
            self._has_x |= "x" in value and free
            self.makes_x |= self._has_x

    def _check_symbol(self, symbol: Any, drivers: list[Any]) -> None:
        if not symbol.type.isFourState:
            raise Refused  # it starts with a value, and takes an x for 0
        is_net = hasattr(symbol, "netType")
        if is_net and symbol.netType.netKind.name not in _NETS:
            raise Refused
        if any(_may_change(symbol, one) for one in drivers):
            self._live.add(symbol)
        starts = [one for one in drivers if not is_net and _only_starts(one)]
        drivers = [one for one in drivers if is_net or not _only_starts(one)]
        if starts and not drivers and symbol.type.isIntegral:
            raise Refused  # a constant, which Yosys takes for x
        for number, one in enumerate(drivers):
            for other in drivers[:number]:
                same = one.containingSymbol is other.containingSymbol
                if same and one.containingSymbol.kind.name in ("ProceduralBlock", "Subroutine"):
                    continue
                if one.bounds[0] <= other.bounds[1] and other.bounds[0] <= one.bounds[1]:
                    raise Refused  # of a constant and another driver Yosys takes one


def _refuse(condition: bool) -> None:
    if condition:
        raise Refused


def _may_change(symbol: Any, driver: Any) -> bool:
    if driver.containingSymbol.kind.name == "ContinuousAssign":
        return bool(symbols_read(driver.containingSymbol.assignment))
    if "Initializer" in str(driver.flags):
        return symbol.initializer is not None and bool(symbols_read(symbol.initializer))
    return True


def _only_starts(driver: Any) -> bool:
    return driver.source.name == "Initial" or "Initializer" in str(driver.flags)


def _selectors(node: Any) -> Iterator[Any]:
    for name in ("selector", "left", "right"):
        found = getattr(node, name, None)
        if found is not None:
            yield found


def _check_function(function: Any) -> None:
    """What a function reads or sets outside itself is in no list of events."""
    from pyslang import ast

    if function.subroutineKind.name != "Function":
        raise Refused
    own: set[Any] = set()

    def look(node: Any) -> Any:
        if isinstance(node, ast.VariableSymbol):
            own.add(node)
        return ast.VisitAction.Advance

    function.visit(look)
    if not symbols_read(function.body, everything=True) <= own | {function.returnValVar}:
        raise Refused
