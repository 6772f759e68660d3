"""The checks that a draft must pass, cheapest first; each gives nothing, or the reason to drop the draft.

Reads a ``Draft`` and asks the simulator, Yosys and the box; writes nothing. Every reason has a short stable code, so
that a funnel can count them.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from autovcoder.errors import InputError
from autovcoder.records import Bench, Draft, Port, Status, Verdict
from data_pipeline.rebuilt_bench import named_values, read_interface, rebuild, says_enough, stimuli
from data_pipeline.reference_model import Refusal, ask_model, files_of
from hdl_sim.connections import connections
from hdl_sim.limits import Limits
from hdl_sim.python_box import require_containment
from hdl_sim.simulator import Simulator
from hdl_sim.slang import Module, read_source
from hdl_sim.synthesizable import unsynthesizable
from hdl_sim.tokens import tokens
from hdl_sim.toolchain import PROGRAM

STEPS = ("read", "compile", "copy", "synthesize", "bench", "design", "model", "teeth")
"""The steps in their order; a dropped row's stage is ``data.verify.`` and one of them."""
NOT_CALLABLE = "model-not-callable"
TOO_LITTLE = "vectors-show-too-little"
SLOW_S = 2
"""Seconds of CPU time that a bench may take; a mutant may take several times as much, and there are many."""
# A problem that asks for one of these asks for latches.
_ASKS_FOR_LATCH = re.compile(r"\blatch(?:es)?\b|level[- ](?:sensitive|triggered)|\btransparent\b", re.IGNORECASE)
_NO_DESIGN: dict[Status, str] = {
    "syntax_error": "syntax",
    "elaboration_error": "elaboration",
    "timeout": "compile-time",
    "forbidden": "forbidden",
    "no_code": "no-code",
}
_BENCH_SAYS: dict[Status, tuple[str, str]] = {
    "syntax_error": ("bench", "bench-does-not-fit"),
    "elaboration_error": ("bench", "bench-does-not-fit"),
    "forbidden": ("bench", "bench-clashes-with-design"),
    "no_code": ("bench", "bench-does-not-fit"),
    "timeout": ("bench", "bench-does-not-end"),
    "no_result": ("bench", "bench-gives-no-result"),
    "runtime_error": ("bench", "bench-ends-in-an-error"),
    "mismatch": ("design", "design-fails-its-bench"),
}
_OPENS = frozenset(["$fopen", "$fopenr", "$fopenw", "$fopena", "$readmemb", "$readmemh", "$sreadmemb", "$sreadmemh"])
_READS = re.compile(r'\$(?:readmem[bh]\s*\(\s*"([^"\n]+)"|fopen\s*\(\s*"([^"\n]+)"\s*,\s*"r)')
_PLAIN_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a draft is dropped: at which of `STEPS`, a stable code, and the particulars."""

    step: str
    code: str
    what: str = ""

    @property
    def reason(self) -> str:
        return f"{self.code}: {self.what}" if self.what else self.code


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A design that does what its model says: the bench that shows it, and what it showed."""

    bench: Bench
    verdict: Verdict


def compile_alone(draft: Draft, simulator: Simulator) -> Drop | None:
    """The design parses and elaborates by itself, for slang and for the simulator, and holds nothing forbidden."""
    verdict = simulator.compile_only(draft.code)
    if not verdict.passed:
        return Drop("compile", _NO_DESIGN.get(verdict.status, "elaboration"), _first_message(verdict))
    source = read_source(draft.code)
    if source.syntax_errors:
        return Drop("compile", "syntax", source.syntax_errors[0].message)
    if source.errors:
        return Drop("compile", "elaboration", source.errors[0].message)
    return None if source.modules else Drop("compile", "no-code", "it holds no module")


def top_module(draft: Draft) -> Module | None:
    """The module that the testbench instantiates, or is meant to: else the one that no other one instantiates."""
    modules = read_source(draft.code).modules
    wanted = [draft.testbench.top] if draft.testbench.kind == "cocotb" else _instantiated(draft.testbench)
    used = {name for module in modules for name in module.instances}
    named = [module for module in modules if module.name in wanted]
    free = [module for module in modules if module.name not in used]
    return next(iter(named or free), None)


def keeps_state_without_clock(draft: Draft, module: str) -> tuple[Drop | None, bool]:
    """What synthesis says against the design; and whether it has latches or loops, which the problem then asks for."""
    found = unsynthesizable(draft.code, module)
    has_latches = found is not None and found.code in ("latch", "combinational-loop")
    if has_latches and _ASKS_FOR_LATCH.search(draft.problem):
        found = unsynthesizable(draft.code, module, latches=True)
    if found is None:
        return None, has_latches
    place = f"line {found.line}: " if found.line else ""
    return Drop("synthesize", found.code, place + found.what), has_latches


def with_files(draft: Draft) -> Draft | Drop:
    """The draft with the files that its testbench reads, where running its Python model writes them."""
    bench = draft.testbench
    if bench.kind == "verilog" and any(_opens_unnamed(text) for text in bench.sources.values()):
        return Drop("bench", "bench-opens-any-file", "by a name that is not written where it is opened")
    texts = [text for name, text in bench.sources.items() if name.endswith((".v", ".sv"))]
    names = [one or other for text in texts for one, other in _READS.findall(text)]
    missing = [name for name in dict.fromkeys(names) if name not in bench.data_files and name not in bench.sources]
    if not missing:
        return draft
    wanted = [name for name in missing if _PLAIN_FILE.fullmatch(name) and name in draft.reference_model]
    written = files_of(draft.reference_model, wanted) if wanted else {}
    if isinstance(written, Refusal):
        return Drop("bench", "bench-wants-a-file", f"which its model should write: {written.code}")
    if any(name not in written for name in missing):
        return Drop("bench", "bench-wants-a-file", "which is not there")
    data = {**bench.data_files, **written}
    return draft.model_copy(update={"testbench": bench.model_copy(update={"data_files": data})})


def run_own_bench(draft: Draft, simulator: Simulator) -> tuple[Drop | None, Verdict | None]:
    """The draft's own testbench compiles with the design, ends by itself, gives a result, and the design passes.

    Raises:
        ToolMissing: the testbench is Python, and nothing on this machine contains it.
    """
    if draft.testbench.kind == "cocotb":
        require_containment()
    try:
        verdict = simulator.run(draft.code, draft.testbench)
    except InputError as error:
        return Drop("bench", "bench-does-not-compile", f"{error.what} {error.where}".strip()[:160]), None
    if verdict.passed and _is_slow(draft.code, draft.testbench, verdict, simulator):
        return Drop("bench", "bench-too-slow", f"more than {SLOW_S} s"), None
    if verdict.passed:
        return None, verdict
    step, code = _BENCH_SAYS[verdict.status]
    return Drop(step, code, _particulars(verdict)), None


def bench_tells(draft: Draft, module: Module, simulator: Simulator) -> Drop | None:
    """The testbench instantiates the design, looks at an output, and fails designs that do nothing at all."""
    bench = draft.testbench
    outputs = [port for port in module.ports if port.direction != "input"]
    if bench.kind == "verilog":
        found = [c for c in connections(bench.sources.values()) if c.module == module.name]
        if not found:
            return Drop("bench", "bench-ignores-the-design", f"no instance of {module.name}")
        named = {name for c in found for name in c.ports}
        if named and not any(c.ordered for c in found) and not named & {port.name for port in outputs}:
            return Drop("bench", "bench-never-looks-at-an-output")
    passed = [kind for kind in ("undriven", "0", "1") if _stub_passes(module, outputs, kind, bench, simulator)]
    if not passed:
        return None
    code = "bench-passes-anything" if len(passed) == 3 else "bench-passes-a-stub"
    return Drop("bench", code, f"all outputs {' or '.join(passed)}")


def ask_and_compare(draft: Draft, module: Module, simulator: Simulator, *, stateful: bool) -> Confirmed | Drop:
    """What the draft's Python model says of the design, on vectors drawn from the draft's id.

    Args:
        stateful: the design has latches, so that no function of its inputs is a model of it.
    """
    if not draft.reference_model.strip() or draft.teacher == "parametric":
        return Drop("model", NOT_CALLABLE, "there is none")
    interface = read_interface(draft.code, module.name)
    if isinstance(interface, str):
        return Drop("model", NOT_CALLABLE, interface)
    if stateful and interface.clock is None:
        return Drop("model", NOT_CALLABLE, "the design keeps a state without a clock")
    own = (text for name, text in draft.testbench.sources.items() if name.endswith((".v", ".sv")))
    rows = stimuli(interface, draft.id, named_values(draft.code, draft.reference_model, *own))
    readings = ask_model(draft.reference_model, interface, rows)
    if isinstance(readings, Refusal):
        return Drop("model", readings.code, readings.what)
    told = [expected for expected in readings if says_enough(expected)]
    if not told:
        return Drop("model", TOO_LITTLE, "most of the model's values are None, or all the same")
    return _compare(draft.code, [rebuild(interface, rows, expected) for expected in told], simulator)


def _compare(design: str, benches: list[Bench], simulator: Simulator) -> Confirmed | Drop:
    """The first of the benches, one for each reading of a model, that the design passes."""
    verdicts = []
    for bench in benches:
        try:
            verdict = simulator.run(design, bench)
        except InputError as error:
            return Drop("model", NOT_CALLABLE, f"{error.what} {error.where}".strip()[:160])
        if verdict.passed and _is_slow(design, bench, verdict, simulator):
            return Drop("model", NOT_CALLABLE, f"its vectors take more than {SLOW_S} s")
        if verdict.passed:
            return Confirmed(bench, verdict)
        verdicts.append(verdict)
    nearest = min(verdicts, key=lambda verdict: verdict.mismatches or sys.maxsize)
    if nearest.status != "mismatch":
        return Drop("model", nearest.status.replace("_", "-"), "on the model's vectors")
    return Drop("model", "model-disagrees", f"at {nearest.mismatches} of {nearest.samples} vectors")


def _is_slow(design: str, bench: Bench, verdict: Verdict, simulator: Simulator) -> bool:
    """Whether a bench that a design passes takes more than `SLOW_S` of CPU time, not of waiting for a busy machine."""
    if verdict.seconds <= SLOW_S:
        return False
    return not simulator.run(design, bench, Limits(wall_s=60.0 * SLOW_S, cpu_s=SLOW_S)).passed


def _opens_unnamed(text: str) -> bool:
    """Whether a testbench opens a file by a name that it computes, or the compiled design, which lies beside it."""
    found = [token.text for token in tokens(text)]
    for place, word in enumerate(found):
        if word in _OPENS:
            bracket, name, behind = (*found[place + 1 : place + 4], "", "", "")[:3]
            plain = name.startswith('"') and "\\" not in name and PROGRAM not in name
            if bracket != "(" or not plain or behind not in (",", ")"):
                return True
    return False


def _instantiated(bench: Bench) -> list[str]:
    return [connection.module for connection in connections(bench.sources.values())]


def _stub_passes(module: Module, outputs: list[Port], kind: str, bench: Bench, simulator: Simulator) -> bool:
    value = {"undriven": None, "0": "0", "1": "~0"}[kind]
    body = "" if value is None else "".join(f"    assign {port.name} = {value};\n" for port in outputs)
    for header in (_header_of_nets(module), _plain_header(module)):
        try:
            verdict = simulator.run(f"{header}\n{body}endmodule\n", bench)
        except InputError:
            continue
        if verdict.status not in ("syntax_error", "elaboration_error"):
            return verdict.passed
    return False  # with parameters or names that a stub cannot have; the mutants tell then


def _header_of_nets(module: Module) -> str:
    """The design's own header, parameters included, with its ports as nets."""
    parts, last = [], 0
    for token in tokens(module.header):
        if token.kind == "word" and token.text in ("reg", "logic", "var"):
            parts.append(module.header[last : token.start])
            last = token.end
    return "".join(parts) + module.header[last:]


def _plain_header(module: Module) -> str:
    ports = ", ".join(f"{p.direction} [{(p.width or 1) - 1}:0] {p.name}" for p in module.ports)
    return f"module {module.name}({ports});"


def _particulars(verdict: Verdict) -> str:
    if verdict.diagnostics:
        return _first_message(verdict)
    if verdict.status == "no_result":
        return "not one line that says pass, but none or several"
    return f"{verdict.mismatches} of {verdict.samples} samples" if verdict.samples else verdict.status


def _first_message(verdict: Verdict) -> str:
    if not verdict.diagnostics:
        return verdict.status
    first = verdict.diagnostics[0]
    return (f"line {first.line}: " if first.line else "") + " ".join(first.message.split())[:120]
