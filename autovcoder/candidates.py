"""One answer of a model and what it was checked against: compiled, compared with what was stated, simulated.

Reads answers as text; writes nothing. What does not compile, or lacks the interface, is mended by rule where that
helps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autovcoder.records import Bench, Diagnostic, Language, Record, Verdict
from hdl_sim.extract import answer_complete, extract_code
from hdl_sim.repair import Repaired, repair
from hdl_sim.simulator import Simulator, in_parallel
from hdl_sim.slang import read_source, verilog2001_violations
from hdl_sim.statement import Agreement, Stated, compare, main_module

# Lines of cocotb's log that say nothing of a failure: its own messages, the table of tests, and where Python stood.
_COCOTB_NOISE = re.compile(
    r"^\s*(?:[-\d.]+[munpf]?s\s+(?:INFO|DEBUG|WARNING\s+gpi\b)|\*\*|\^+\s*$|Traceback |File \"|$)"
)


class Candidate(Record):
    """One answer and what it was checked against.

    Attributes:
        raw: the answer as it came. ``code``: the Verilog in it, mended where it was; None when there is none.
        complete: the answer came to its end; false when it was cut off at the token limit.
        compiled: status ``pass`` when it compiles alone, otherwise why not.
        agreement: name, ports and header that the specification states, against the code's.
        language: what of the code is not in the language asked for; None when none was asked for.
        bench: the testbench's verdict; None when there is no testbench or the code does not compile.
        cocotb: the same of the cocotb test.
        mended: what was changed by rule; None where nothing was. Its ``code`` is this one's.
        answers_to: the index of the candidate whose faults the model was told to mend; None for a first answer.
        told: what the model was told then: what the compiler says, or what the user's testbench says. ``told_lines``:
            the lines of it.
    """

    raw: str
    code: str | None
    complete: bool
    compiled: Verdict
    agreement: Agreement
    language: tuple[Diagnostic, ...] | None = None
    bench: Verdict | None = None
    cocotb: Verdict | None = None
    mended: Repaired | None = None
    answers_to: int | None = None
    told: str | None = None
    told_lines: tuple[str, ...] = ()

    @property
    def compiles(self) -> bool:
        return self.compiled.passed

    @property
    def agrees(self) -> bool:
        """Nothing that was stated is contradicted, the language included."""
        return self.agreement.agrees and not self.language

    @property
    def accepted(self) -> bool:
        """It compiles, contradicts nothing stated, and passed every testbench that there was."""
        return self.compiles and self.agrees and all(verdict.passed for verdict in self.tested)

    @property
    def tested(self) -> tuple[Verdict, ...]:
        """The verdicts of the testbenches, Verilog's first."""
        return tuple(verdict for verdict in (self.bench, self.cocotb) if verdict is not None)


@dataclass(frozen=True, slots=True)
class Checks:
    """What every answer is checked against.

    Attributes:
        header: fixes the interface.
        bench: in Verilog. ``cocotb``: a bench of that kind; where its top is empty, it is the module that is stated, or
            else the one that the design has.
        mend: mend by rule what does not compile or lacks the interface.
    """

    stated: Stated
    header: str | None
    language: Language | None
    bench: Bench | None
    simulator: Simulator
    mend: bool
    cocotb: Bench | None = None

    def check_all(self, answers: Sequence[str]) -> list[Candidate]:
        """Candidates in the order of the answers; equal code is checked once."""
        codes = [extract_code(raw, header=self.header, module=self.stated.name) for raw in answers]
        different = list(dict.fromkeys(codes))
        found = dict(zip(different, in_parallel(self._check, different), strict=True))
        return [
            found[code].model_copy(update={"raw": raw, "complete": answer_complete(raw, self.stated.name)})
            for raw, code in zip(answers, codes, strict=True)
        ]

    def _check(self, code: str | None) -> Candidate:
        candidate = self._look_at(code)
        if not self.mend or code is None or (candidate.compiles and candidate.agreement.agrees):
            return self._simulate(candidate)
        mended = repair(code, self.stated, self.simulator)
        if mended is None:
            return self._simulate(candidate)
        return self._simulate(self._look_at(mended.code).model_copy(update={"mended": mended}))

    def _look_at(self, code: str | None) -> Candidate:
        compiled = self.simulator.compile_only(code)
        modern = () if self.language == "systemverilog" else None
        return Candidate(
            raw="",
            code=code,
            complete=False,
            compiled=compiled,
            agreement=compare(self.stated, read_source(code or "")),
            # Every SystemVerilog front end takes Verilog, so only the older language can be missed.
            language=verilog2001_violations(code or "") if self.language == "verilog-2001" else modern,
        )

    def _simulate(self, candidate: Candidate) -> Candidate:
        if not candidate.compiles:
            return candidate
        verdicts = {}
        if self.bench is not None:
            verdicts["bench"] = self.simulator.run(candidate.code, self.bench)
        if self.cocotb is not None:
            verdicts["cocotb"] = self.simulator.run(candidate.code, self._for_design(self.cocotb, candidate.code or ""))
        return candidate.model_copy(update=verdicts)

    def _for_design(self, bench: Bench, code: str) -> Bench:
        if bench.top:
            return bench
        source = read_source(code)
        own = main_module(source).name if source.modules else ""
        return bench.model_copy(update={"top": self.stated.name or own})


def cocotb_says(verdict: Verdict) -> tuple[str, ...]:
    """The lines of a cocotb verdict's log that speak of failures, a line each without its indentation."""
    return tuple(" ".join(line.split()) for line in verdict.log_tail.splitlines() if not _COCOTB_NOISE.match(line))


def best_of(candidates: Sequence[Candidate]) -> int:
    """Passes before compiles and agrees before compiles before has code; the first among equals."""

    def merit(candidate: Candidate) -> tuple[int, bool, bool, bool]:
        passed = sum(verdict.passed for verdict in candidate.tested)
        return passed, candidate.compiles and candidate.agrees, candidate.compiles, candidate.code is not None

    return max(range(len(candidates)), key=lambda index: merit(candidates[index]))
