"""What keeps a design from being hardware: delays, waiting, numbers of software, and latches that nobody asked for.

Reads RTL text; writes nothing but into a sandbox's folder. Form is judged on slang's syntax tree; what only synthesis
can tell (latches, loops, drivers) by Yosys' ``proc``, which needs some hundredths of a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autovcoder.errors import ToolFailed
from hdl_sim.limits import Limits
from hdl_sim.normal_form import normal_tokens
from hdl_sim.preprocess import preprocessed
from hdl_sim.sandbox import open_sandbox
from hdl_sim.slang import parse, text_is_bounded
from hdl_sim.tokens import plain_lines
from hdl_sim.tools import find_tool

_LIMITS = Limits(wall_s=120.0, cpu_s=20, output_kb=2048)
_NAMES = re.compile(r"[A-Za-z_][\w$]*")
_COMMENT, _INDEX = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL), re.compile(r"\[[^\]]*\]")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
# Kinds of syntax that IEEE 1364.1-2002 (register transfer level synthesis) does not support, and what to call them.
_KINDS = {
    "DelayControl": ("delay", "a delay"),
    "Delay3": ("delay", "a delay"),
    "CycleDelay": ("delay", "a delay"),
    "OneStepDelay": ("delay", "a delay"),
    "SpecifyBlock": ("delay", "a specify block"),
    "WaitStatement": ("waiting", "wait"),
    "WaitForkStatement": ("waiting", "wait fork"),
    "WaitOrderStatement": ("waiting", "wait_order"),
    "BlockingEventTriggerStatement": ("waiting", "an event"),
    "NonblockingEventTriggerStatement": ("waiting", "an event"),
    "EventType": ("waiting", "an event"),
    "ParallelBlockStatement": ("fork", "fork"),
    "DisableForkStatement": ("fork", "disable fork"),
    "RealType": ("real", "a real number"),
    "ShortRealType": ("real", "a real number"),
    "RealTimeType": ("real", "a real time"),
    "TimeType": ("real", "a time"),
    "CaseEqualityExpression": ("case-equality", "==="),
    "CaseInequalityExpression": ("case-equality", "!=="),
    "ForeverStatement": ("not-synthesizable", "forever"),
    "ProceduralAssignStatement": ("not-synthesizable", "an assign inside a procedure"),
    "ProceduralDeassignStatement": ("not-synthesizable", "deassign"),
    "ProceduralForceStatement": ("not-synthesizable", "force"),
    "ProceduralReleaseStatement": ("not-synthesizable", "release"),
    "FinalBlock": ("not-synthesizable", "a final block"),
    "UdpDeclaration": ("not-synthesizable", "a user-defined primitive"),
}
# System functions of constants and types; IEEE 1800-2017, clauses 20.6 to 20.9.
_SYSTEM_NAMES = """
    $signed $unsigned $clog2 $bits $high $low $left $right $size $increment $dimensions $unpacked_dimensions
    $countones $onehot $onehot0 $countbits
"""
_SYSTEM = frozenset(_SYSTEM_NAMES.split())
_LATCHES = "t:$dlatch* t:$adlatch* %u t:$sr %u"
_LATCH = re.compile(r"^[^\s/:]+/(\S+)$", re.MULTILINE)  # what `select -list` prints of a wire
_LOOP = re.compile(r"^Warning: found logic loop in module (\S+?):", re.MULTILINE)
_DRIVERS = re.compile(r"^Warning: multiple conflicting drivers for (\S+).*:$", re.MULTILINE)
_ERROR = re.compile(r"^(?:design\.sv:\d+: )?ERROR: (.*)$", re.MULTILINE)
# What says that this version of Yosys cannot read the text, or that a program is missing a part, not that it is wrong.
_NOT_READ = re.compile(r"syntax error|not supported|unsupported|unimplemented|TOK_|assert", re.IGNORECASE)
_HIGH_IMPEDANCE = re.compile(r"'[sS]?[bBoOdDhH]?\s*[0-9a-fA-FxX_]*[zZ?]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that cannot become hardware.

    Attributes:
        code: ``delay``, ``waiting``, ``fork``, ``real``, ``system-task``, ``case-equality``, ``initial-only``,
            ``latch``, ``combinational-loop`` or ``not-synthesizable``.
        what: in a few words. ``line``: counts from 1, where known.
    """

    code: str
    what: str
    line: int | None = None


def unsynthesizable(design: str, top: str, *, latches: bool = False) -> Finding | None:
    """The first thing in a design that synthesis would refuse or ignore; None where there is none.

    An ``initial`` that sets what a process sets too is a value at power-up, and one that fills a memory is a ROM: both
    are allowed. What Yosys cannot read, or not in time, is judged by its form alone.

    Args:
        design: a text that slang reads without errors. ``top``: the module to synthesize.
        latches: latches and loops of gates are what was asked for.

    Raises:
        ToolMissing: Yosys is not installed. ToolFailed: it could not be run.
    """
    design = plain_lines(design.encode(errors="replace").decode())
    if not text_is_bounded(design):
        return None
    text = preprocessed(design)
    return next(form_findings(text), None) or _in_synthesis(bare(text), top, latches=latches)


def bare(text: str) -> str:
    """A text without macros as a simulator sees it, one token a line: synthesis obeys comments and attributes."""
    return "\n".join(normal_tokens(text)) + "\n"


def form_findings(text: str) -> Iterator[Finding]:
    """What is no hardware by its form alone, in a text without macros; raises RuntimeError where it nests too deep."""
    tree = parse(text)
    form = _Form(tree.sourceManager)
    tree.root.visit(form.look)
    yield from form.found
    for name, line in form.initial.items():
        if name not in form.elsewhere | form.memories | form.counters:
            yield Finding("initial-only", f"{name} is set by an initial block alone", line)


class _Form:
    """What a walk through a syntax tree finds.

    Attributes:
        initial: names that initial blocks set, with a line. ``elsewhere``: names that anything else may set.
        memories: names with dimensions of their own. ``counters``: names that count loops.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self.found: list[Finding] = []
        self.initial: dict[str, int] = {}
        self.elsewhere: set[str] = set()
        self.memories: set[str] = set()
        self.counters: set[str] = set()

    def look(self, node: Any) -> Any:
        from pyslang import ast

        if not hasattr(node, "valueText"):
            kind = node.kind.name
            if kind in _KINDS:
                self.found.append(Finding(*_KINDS[kind], self._line(node)))
            elif kind == "SystemName" and str(node).strip() not in _SYSTEM:
                self.found.append(Finding("system-task", str(node).strip()[:40], self._line(node)))
            elif kind == "TimingControlStatement" and not _is_block(node.parent):
                self.found.append(Finding("waiting", "an event control inside a process", self._line(node)))
            elif kind == "Declarator" and len(node.dimensions):
                self.memories.add(node.name.valueText)
            elif kind.endswith("AssignmentExpression"):
                self._assigned(node)
            elif kind in ("NamedPortConnection", "OrderedPortConnection"):
                self.elsewhere.update(_NAMES.findall(_COMMENT.sub("", str(node))))
        return ast.VisitAction.Advance

    def _assigned(self, node: Any) -> None:
        names = _NAMES.findall(_INDEX.sub("", _COMMENT.sub("", str(node.left))))
        if node.parent is not None and node.parent.kind.name == "ForLoopStatement":
            self.counters.update(names)
        if _inside_initial(node):
            self.initial.update(dict.fromkeys(names, self._line(node)))
        else:
            self.elsewhere.update(names)

    def _line(self, node: Any) -> int:
        return int(self._manager.getLineNumber(self._manager.getFullyExpandedLoc(node.sourceRange.start)))


def _is_block(node: Any) -> bool:
    return node is not None and node.kind.name in (
        "AlwaysBlock",
        "AlwaysFFBlock",
        "AlwaysCombBlock",
        "AlwaysLatchBlock",
    )


def _inside_initial(node: Any) -> bool:
    while node is not None:
        if node.kind.name == "InitialBlock":
            return True
        node = node.parent
    return False


def _in_synthesis(text: str, top: str, *, latches: bool) -> Finding | None:
    # A latch that nothing reads, of a counter of a loop or a temporary, is gone by then.
    held = f"select -list {_LATCHES} %co1:+[Q] w:* %i"
    said = _run_yosys(text, top, f"proc; flatten; opt_expr; opt_clean; check; {held}")
    error = _ERROR.search(said)
    if error:
        if _NOT_READ.search(error[1]):
            return None
        return Finding("not-synthesizable", error[1].strip()[:120])
    latch = _LATCH.search(said)
    if latch and not latches:
        return Finding("latch", f"{latch[1].rpartition('.')[2].lstrip(chr(92))} keeps its value on some path")
    drivers = _DRIVERS.search(said)
    if drivers and not _HIGH_IMPEDANCE.search(text):
        return Finding("not-synthesizable", f"{drivers[1].rpartition('.')[2].lstrip(chr(92))} has several drivers")
    # Words of several bits look like loops where each bit depends on the next lower one; gates do not.
    if _LOOP.search(said) and not latches and _LOOP.search(_run_yosys(text, top, _TO_GATES)):
        return Finding("combinational-loop", "a signal depends on itself without a register")
    return None


_TO_GATES = "proc; flatten; opt_expr; memory; opt_clean; techmap; opt_expr; opt_clean; check"


def _run_yosys(text: str, top: str, script: str) -> str:
    """What Yosys printed."""
    yosys = find_tool("yosys")
    choice = f"-top {top}" if _PLAIN_NAME.fullmatch(top) else "-auto-top"
    with open_sandbox(_LIMITS, programs=[yosys]) as sandbox:
        sandbox.write({"design.sv": text})
        done = sandbox.run(
            [str(yosys), "-p", f"read_verilog -sv design.sv; hierarchy -check {choice}; {script}"], limits=_LIMITS
        )
    if done.reason == "signal" and "ERROR" not in done.stdout:
        return ""  # a crash of Yosys says nothing about the design
    if done.returncode not in (0, 1) and done.reason == "exited":
        raise ToolFailed("Yosys could not be run", fix=(done.stderr or done.stdout).strip()[-300:])
    return done.stdout + "\n" + done.stderr if done.reason == "exited" else ""
