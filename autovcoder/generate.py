"""A specification in, checked Verilog out: ask the model, extract the code, compile it, compare it, simulate it.

Reads a specification, a module header and a testbench as text; writes nothing. The command line and Python callers use
the same `generate`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from autovcoder.errors import InputError
from autovcoder.models import TextModel
from autovcoder.prompt import user_text
from autovcoder.records import Bench, Context, Diagnostic, Language, Record, Sampling, Verdict
from hdl_sim.extract import answer_complete, extract_code
from hdl_sim.simulator import Simulator, available_cores
from hdl_sim.slang import read_source, verilog2001_violations
from hdl_sim.statement import Agreement, Stated, compare, stated_interface


class Candidate(Record):
    """One answer and what it was checked against.

    Attributes:
        raw: the answer as it came. ``code``: the Verilog in it, None when there is none.
        complete: the answer came to its end; false when it was cut off at the token limit.
        compiled: status ``pass`` when it compiles alone, otherwise why not.
        agreement: name, ports and header that the specification states, against the code's.
        language: what of the code is not in the language asked for; None when none was asked for.
        bench: the testbench's verdict; None when there is no testbench or the code does not compile.
    """

    raw: str
    code: str | None
    complete: bool
    compiled: Verdict
    agreement: Agreement
    language: tuple[Diagnostic, ...] | None = None
    bench: Verdict | None = None

    @property
    def compiles(self) -> bool:
        return self.compiled.passed

    @property
    def agrees(self) -> bool:
        """Nothing that was stated is contradicted, the language included."""
        return self.agreement.agrees and not self.language


class Result(Record):
    """What came of a specification.

    Attributes:
        context: what was put before the specification.
        candidates: in the order they were sampled; ``best`` is the index of the one chosen.
        seconds: wall time by part: ``generate`` (the model) and ``check`` (compile, compare, simulate).
    """

    spec: str
    header: str | None
    model: str
    sampling: Sampling
    context: Context = Context()
    candidates: tuple[Candidate, ...]
    best: int
    seconds: dict[str, float]

    @property
    def chosen(self) -> Candidate:
        return self.candidates[self.best]

    @property
    def code(self) -> str | None:
        return self.chosen.code

    @property
    def accepted(self) -> bool:
        """The chosen design compiles, contradicts nothing stated, and passed the testbench if there was one."""
        chosen = self.chosen
        return chosen.compiles and chosen.agrees and (chosen.bench is None or chosen.bench.passed)


def generate(
    spec: str,
    model: TextModel,
    *,
    header: str | None = None,
    language: Language | None = None,
    sampling: Sampling | None = None,
    context: Context | None = None,
    bench: Bench | None = None,
    simulator: Simulator,
) -> Result:
    """Ask ``model`` for a design and check every answer.

    Args:
        spec: the problem in words.
        model: answers it, see `autovcoder.models.open_model`.
        header: fixes the interface, as `read_header` returns it.
        language: asked for, and checked; without it SystemVerilog is accepted and nothing is checked.
        sampling: how many answers and how they are drawn; one greedy answer when not given.
        context: put before the specification, as `rag.context.build_contexts` finds it.
        bench: simulated against, as `hdl_sim.testbench.bench_from_text` makes it from a testbench's text.
        simulator: decides what compiles and what passes.

    Raises:
        InputError: the specification is empty or not text. ModelError: the model failed.
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    if not spec.strip():
        raise InputError("the specification is empty", fix="say in words what the module shall do")
    if not _is_text(spec):
        raise InputError("the specification is not text in UTF-8")
    sampling = sampling or Sampling()
    stated = stated_interface(spec, header)
    started = time.perf_counter()
    context = context or Context()
    prompt = user_text(spec, header, language=language, context=context.texts)
    [answers] = model.complete(
        [prompt], sampling, starts=[stated.start], stop=lambda _, text: answer_complete(text, stated.name)
    )
    answered = time.perf_counter()
    candidates = _check_all(answers, stated, header, language, bench, simulator)
    checked = time.perf_counter()
    return Result(
        spec=spec,
        header=header,
        model=model.name,
        sampling=sampling,
        context=context,
        candidates=candidates,
        best=_best(candidates),
        seconds={"generate": answered - started, "check": checked - answered},
    )


def read_header(text: str) -> str:
    """The module header in ``text``: from ``module`` to the ``;``, whatever follows it left out.

    Raises:
        InputError: there is not exactly one module, or its header is not Verilog.
    """
    if not text.strip():
        raise InputError("the header is empty", fix="write it from 'module' to the ';' that closes the port list")
    closed = text if "endmodule" in text else f"{text}\nendmodule\n"
    source = read_source(closed, elaborate=False)
    if source.syntax_errors:
        first = source.syntax_errors[0]
        raise InputError(f"the header is not Verilog (line {first.line}: {first.message})")
    if len(source.modules) != 1:
        raise InputError(f"the header must be of one module, and {len(source.modules)} are there")
    return source.modules[0].header


def _check_all(
    answers: Sequence[str],
    stated: Stated,
    header: str | None,
    language: Language | None,
    bench: Bench | None,
    simulator: Simulator,
) -> tuple[Candidate, ...]:
    """Candidates in the order of the answers; equal code is checked once."""
    codes = [extract_code(raw, header=header, module=stated.name) for raw in answers]
    different = list(dict.fromkeys(codes))
    with ThreadPoolExecutor(available_cores()) as pool:
        done = pool.map(lambda code: _check(code, stated, language, bench, simulator), different)
        checks = dict(zip(different, done, strict=True))
    return tuple(
        checks[code].model_copy(update={"raw": raw, "complete": answer_complete(raw, stated.name)})
        for raw, code in zip(answers, codes, strict=True)
    )


def _check(
    code: str | None, stated: Stated, language: Language | None, bench: Bench | None, simulator: Simulator
) -> Candidate:
    compiled = simulator.compile_only(code)
    return Candidate(
        raw="",
        code=code,
        complete=False,
        compiled=compiled,
        agreement=compare(stated, read_source(code or "")),
        # Every SystemVerilog front end takes Verilog, so only the older language can be missed.
        language=None if language is None else verilog2001_violations(code or "") if language == "verilog-2001" else (),
        bench=simulator.run(code, bench) if bench is not None and compiled.passed else None,
    )


def _best(candidates: Sequence[Candidate]) -> int:
    """Passes before compiles and agrees before compiles before has code; the first among equals."""

    def merit(candidate: Candidate) -> tuple[bool, bool, bool, bool]:
        passed = candidate.bench is not None and candidate.bench.passed
        return passed, candidate.compiles and candidate.agrees, candidate.compiles, candidate.code is not None

    return max(range(len(candidates)), key=lambda index: merit(candidates[index]))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
