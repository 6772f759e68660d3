"""What a candidate must not drive: the testbench's own nets, through ports that should only read them.

Reads source text; writes nothing. A driver at an input reaches back into the testbench, where the reference reads the
same net: with all inputs held at 0, or unknown, anything equals anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from autovcoder.records import Diagnostic
from hdl_sim.references import diagnostic_at
from hdl_sim.surroundings import Surroundings

if TYPE_CHECKING:
    from pyslang import syntax

DRIVEN_INPUT = "DrivenInput"
# Nets that drive themselves, whatever is connected to them.
_CONSTANT_NETS = frozenset({"Supply0", "Supply1"})
_NOTHING = Surroundings()


def driven_inputs(code: str, tops: Collection[str] = (), around: Surroundings = _NOTHING) -> tuple[Diagnostic, ...]:
    """Every port by which a design could drive a net of its testbench that is not the design's to drive.

    Looked at are modules that nothing instantiates, and ``tops``. Such a port is an input that the module drives, or
    that is a constant net; a port that is anything but one plain signal of its own name; and an output, or a port for
    both directions, where the testbench drives the net (for both directions not if the testbench can let go of it).
    Parameters have their defaults.
    """
    from pyslang import analysis

    from hdl_sim.slang import compile_tops, parse, text_is_bounded

    if not text_is_bounded(code):
        return ()
    found: dict[tuple[str, str], Diagnostic] = {}
    try:
        tree = parse(code)
        for compilation in compile_tops(tree, tops):
            compilation.getAllDiagnostics()  # elaborates all of it, which the analysis needs
            compilation.freeze()
            manager = analysis.AnalysisManager(analysis.AnalysisOptions())
            manager.analyze(compilation)
            for top in compilation.getRoot().topInstances:
                for port, reason in _faults(top, manager, around):
                    found[top.name, port.name] = _diagnostic(tree, port, f"{port.name} of {top.name} {reason}")
    except RuntimeError:
        return ()
    return tuple(found.values())


def _faults(top: Any, manager: Any, around: Surroundings) -> Iterator[tuple[Any, str]]:
    driven = around.driven.get(top.name, frozenset())
    seen: set[str] = set()
    for place, port in enumerate(top.body.portList):
        if not hasattr(port, "direction"):
            continue  # an interface
        inside = getattr(port, "internalSymbol", None)
        if inside is None or inside.name != port.name or port.name in seen:
            yield port, "is not one plain signal: it could join nets of the testbench"
            continue
        seen.add(port.name)
        direction = port.direction.name
        if direction == "In":
            if any(not driver.isInputPort for driver in manager.getDrivers(inside)):
                yield port, "is an input, and the design drives it"
            elif inside.kind.name == "Net" and inside.netType.netKind.name in _CONSTANT_NETS:
                yield port, "is an input, and its net is a constant"
        elif (port.name in driven or place in driven) and not (direction == "InOut" and around.lets_go):
            yield port, "is driven by the testbench, and the design could drive it too"


def _diagnostic(tree: syntax.SyntaxTree, port: Any, message: str) -> Diagnostic:
    return diagnostic_at(tree, port.location, message, DRIVEN_INPUT)
