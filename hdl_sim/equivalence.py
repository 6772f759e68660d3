"""Whether two designs of one interface are the same circuit, as far as that can be proven in a few seconds, by Yosys.

Reads two designs; writes nothing that stays. They are hostile: Yosys runs in the sandbox, sees them without comments,
attributes and names, and is believed by its exit code alone.

What is proven, for inputs that are 0 or 1 at all times and parameters that have their defaults, and of an output bit
only where the first design gives it a value (where that one says ``x``, the second may be anything):

- Without registers: the outputs are the same for all inputs. One call of a SAT solver.
- With registers, each edge written out by ``clk2fflogic``: from every state that both designs can start in, the outputs
  are the same for ever, whatever the inputs and clocks do. By k-induction. A register starts with its initial value, or
  else with 0 or 1, not known which, and as that of the same name in the other design: a simulator's ``x`` before the
  first reset is not followed. A register of the second design alone needs an initial value.
- Where that fails, and nothing has an initial value: the same, but after a reset of two clock periods, about which
  nothing is said. The induction assumes no reset, and a later one is an input like any other.

An x of the first design is taken for a signal that is anything; one of the second has to be followed as an x, in
three-valued logic. Designs whose netlist would not be all that a simulator shows (`provable.py` on the text, `nets.py`
on the netlist) are unknown: nets with several drivers, clocks that are data or logic, and so on.

Different means: there are inputs for which an output bit of the first design has one value from whatever state it
starts, and that of the second another, from some state. Found by bounded search; nothing is ever called equivalent for
not having been found different.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from hdl_sim.limits import Limits
from hdl_sim.miter import Pair, joined
from hdl_sim.preprocess import preprocessed
from hdl_sim.provable import provable
from hdl_sim.sandbox import Finished, Sandbox, open_sandbox
from hdl_sim.slang import text_is_bounded
from hdl_sim.synthesizable import bare
from hdl_sim.tokens import plain_lines
from hdl_sim.tools import find_tool

Relation = Literal["equivalent", "different", "unknown"]

LIMITS = Limits(wall_s=120.0, cpu_s=4, memory_mb=1024, file_mb=16, output_kb=64)
"""Of one call of Yosys, of which a comparison makes at most ten."""
_SAT_S = 2  # of one call of the SAT solver
_MOST_JSON = 8_000_000  # bytes; Python needs a second to read them
_NAME = re.compile(r"[A-Za-z_]\w{0,200}")
# No tristate: Yosys' solver takes a z for a 0.
_READ = """
read_verilog -sv -noassert -noassume -norestrict {file}.sv
hierarchy -check -top {top}
proc -noopt
flatten
memory_map
tribuf
select -assert-none t:$tribuf t:$_TBUF_ t:$assert t:$assume t:$cover t:$anyseq t:$anyconst t:$allseq t:$allconst
opt_clean
write_json {file}.raw.json
setundef -undriven -undef
opt_expr -keepdc
opt_clean
write_json {file}.json
design -reset
"""
# A loop or a wire with two drivers would be a contradiction, from which everything follows.
_JOIN = """
read_json joined.json
clk2fflogic
design -save both
miter -equiv -ignore_gold_x -make_outcmp -make_outputs gold gate miter
hierarchy -top miter
flatten
opt_merge -share_all
opt_clean
check -assert
write_rtlil undef.il
design -load both
setundef -anyseq
miter -equiv -make_outcmp gold gate miter
hierarchy -top miter
flatten
opt_merge -share_all
opt_clean
check -assert
write_rtlil any.il
"""


@dataclass(frozen=True, slots=True)
class _Prover:
    """The sandbox in which the two designs lie, joined."""

    sandbox: Sandbox
    yosys: str
    limits: Limits

    def run(self, script: str) -> Finished:
        self.sandbox.write({"run.ys": script})
        return self.sandbox.run([self.yosys, "-q", "-s", "run.ys"], limits=self.limits)

    def holds(self, options: str, *, undef: bool) -> bool:
        """Whether Yosys proves it; a limit is no proof.

        Args:
            undef: an x stays an x; otherwise it is any value, and another one each time.
        """
        return self._sat(f"-verify {options}", undef)

    def fails(self, options: str, *, undef: bool) -> bool:
        """Whether Yosys finds where it does not hold."""
        return self._sat(f"-falsify {options}", undef)

    def _sat(self, options: str, undef: bool) -> bool:
        file, kind = ("undef", "-enable_undef -set-def-inputs") if undef else ("any", "")
        finished = self.run(f"read_rtlil {file}.il\nsat -timeout {_SAT_S} {kind} {options} miter\n")
        return finished.reason == "exited" and finished.returncode == 0


def compare(gold: str, gate: str, top: str, *, limits: Limits = LIMITS) -> Relation:
    """What is known of two designs whose module ``top`` has the same ports; see the head of this module.

    Raises:
        ToolMissing: Yosys is not installed. ToolFailed: it could not be started.
    """
    yosys = find_tool("yosys")
    if not _NAME.fullmatch(top):
        return "unknown"
    texts = {"gold.sv": _text(gold), "gate.sv": _text(gate)}
    forms = [provable(text, top) for text in texts.values() if text is not None]
    if len(forms) < len(texts) or forms[0] is None or forms[1] is None or forms[0].idle != forms[1].idle:
        return "unknown"
    no_x = [form.no_x for form in forms if form is not None]
    with open_sandbox(limits, programs=[yosys]) as sandbox:
        prover = _Prover(sandbox, str(yosys), limits)
        sandbox.write({name: text for name, text in texts.items() if text is not None})
        read = prover.run(_READ.format(file="gold", top=top) + _READ.format(file="gate", top=top))
        if read.returncode != 0 or read.reason != "exited":
            return "unknown"
        if "Replacing memory" in read.stdout + read.stderr:
            no_x = [False, False]  # one choice of Yosys' own is what lies behind the memory's end
        pair = _join(sandbox, no_x)
        if pair is None:
            return "unknown"
        joined_up = prover.run(_JOIN)
        if joined_up.returncode != 0 or joined_up.reason != "exited":
            return "unknown"
        return _sequential(prover, pair) if pair.sequential else _combinational(prover, pair)


def _text(design: str) -> str | None:
    """The text as the simulator sees it; None where it is too large, or holds what is lost with the directives."""
    design = plain_lines(design.encode(errors="replace").decode())
    if "`unconnected_drive" in design or not text_is_bounded(design):
        return None
    text = bare(preprocessed(design))
    return text if text_is_bounded(text) else None


def _join(sandbox: Sandbox, no_x: list[bool]) -> Pair | None:
    netlists = []
    for name in ("gold.json", "gate.json", "gold.raw.json", "gate.raw.json"):
        path = sandbox.folder / name
        if path.stat().st_size > _MOST_JSON:
            return None
        netlists.append(json.loads(path.read_text(encoding="utf-8", errors="replace")))
    pair = joined(netlists[0], netlists[1], netlists[2:], no_x)
    if pair is not None:
        sandbox.write({"joined.json": json.dumps(pair.netlist)})
    return pair


def _combinational(prover: _Prover, pair: Pair) -> Relation:
    proof = _prove(pair.outputs)
    if pair.faithful and (
        (pair.x_is_any and prover.holds(proof, undef=False)) or (pair.has_x and prover.holds(proof, undef=True))
    ):
        return "equivalent"
    return "different" if prover.fails(proof, undef=True) else "unknown"


def _sequential(prover: _Prover, pair: Pair) -> Relation:
    if pair.faithful and (_same_for_ever(prover, pair) if pair.same_start else _same_in_spite_of_latch(prover, pair)):
        return "equivalent"
    return "different" if _definitely_differ(prover, pair) else "unknown"


def _same_for_ever(prover: _Prover, pair: Pair) -> bool:
    everything = (*pair.outputs, *pair.states)
    start = "".join(f" -set-at 1 cmp_{name} 1" for name in pair.open_states)
    # Registers that are the same show that outputs are, in one step where nothing but the logic was changed.
    if _induction(prover, pair, start, everything, 4):
        return True
    if not pair.resets and pair.states and _induction(prover, pair, start, pair.outputs, 8):
        return True
    for phase in pair.resets:
        after = f"{start} -seq {len(phase)}" + "".join(
            f" -set-at {step} in_{port} {value}"
            for step, values in enumerate(phase, start=1)
            for port, value in values.items()
        )
        if _induction(prover, pair, after, everything, 12) or _induction(prover, pair, after, pair.outputs, 12):
            return True
    return False


def _same_in_spite_of_latch(prover: _Prover, pair: Pair) -> bool:
    """Whether what a slip made a latch of logic holds stands only where the first design says x."""
    proof = f"-tempinduct -maxsteps 4 -set-init-undef {_prove(pair.outputs)}"
    return pair.has_x and not pair.states and prover.holds(proof, undef=True)


def _induction(prover: _Prover, pair: Pair, start: str, proven: tuple[str, ...], depth: int) -> bool:
    undef = not pair.x_is_any
    begin = f"-set-init-def {start}" if undef else start
    if not prover.holds(f"-tempinduct -maxsteps {depth} {begin} {_prove(proven)}", undef=undef):
        return False
    # From a start that cannot be, everything would follow.
    some = f"-tempinduct -tempinduct-baseonly -maxsteps 1 {begin} -prove cmp_{proven[0]} 0"
    return prover.fails(some, undef=undef)


def _definitely_differ(prover: _Prover, pair: Pair) -> bool:
    if not pair.all_shown:
        return False  # the solver would choose how such a register of the first design starts
    start = "".join(f" -set-at 1 gold_{name} {width}'b{'x' * width}" for name, width in pair.open_states.items())
    start += "".join(f" -set-def-at 1 gate_{name}" for name in pair.states)
    options = f"-tempinduct -tempinduct-baseonly -maxsteps 12{start} {_prove(pair.outputs)}"
    return prover.fails(options, undef=True)


def _prove(names: tuple[str, ...]) -> str:
    return " ".join(f"-prove cmp_{name} 1" for name in names)
