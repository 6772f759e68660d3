"""A specification in, checked Verilog out: ask the model, check every answer, choose one, ask again where none is good.

Reads a specification, a module header and a testbench as text; writes nothing. The command line and Python callers use
the same `generate`; `generate_verilog` opens the model and the simulator for it.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

from pydantic import Field

from autovcoder.candidates import Candidate, Checks, best_of
from autovcoder.errors import InputError, ModelError
from autovcoder.models import TextModel
from autovcoder.prompt import user_text
from autovcoder.records import Bench, Context, Language, Record, Sampling
from autovcoder.repair import prompt_for, why_not
from hdl_sim.consensus import Selection, confidence, select
from hdl_sim.extract import answer_complete
from hdl_sim.slang import read_source
from hdl_sim.statement import Stated, is_closed, stated_interface
from hdl_sim.traces import PrintingSimulator

Told = tuple[str, list[str]]
"""What a model was told of a candidate's faults: which kind, and the lines."""


class Effort(Record):
    """How much is done to get a right answer out of several.

    Attributes:
        select: ``consensus`` chooses by what the candidates do (`hdl_sim.consensus`); ``first`` takes the first that is
            accepted.
        mend: by rule, what does not compile or lacks the interface (`hdl_sim.repair`).
        repairs: how often, where no candidate is accepted, the best one is put back to the model with what is wrong.
        sure: while the choice's confidence is below this, more answers are drawn, up to ``most`` in all.
    """

    select: Literal["consensus", "first"] = "consensus"
    mend: bool = True
    repairs: Annotated[int, Field(ge=0)] = 0
    sure: Annotated[float, Field(ge=0, le=1)] = 0.0
    most: Annotated[int, Field(ge=0)] = 0


class Result(Record):
    """What came of a specification.

    Attributes:
        context: what was put before the specification.
        candidates: in the order they were sampled, repairs last; ``best`` is the index of the one chosen.
        selection: how it was chosen among several; indices are those of ``candidates``. None where there was no choice.
        notes: what was asked for and could not be done, a line each.
        seconds: wall time by part: ``generate`` (the model), ``check`` (compile, compare, simulate) and ``select``.
    """

    spec: str
    header: str | None
    model: str
    sampling: Sampling
    effort: Effort = Effort()
    context: Context = Context()
    candidates: tuple[Candidate, ...]
    best: int
    selection: Selection | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float]

    @property
    def chosen(self) -> Candidate:
        return self.candidates[self.best]

    @property
    def code(self) -> str | None:
        return self.chosen.code

    @property
    def accepted(self) -> bool:
        """The chosen design compiles, contradicts nothing stated, and passed every testbench that there was."""
        return self.chosen.accepted

    @property
    def unsure(self) -> bool:
        """The confidence that was asked for was not reached."""
        sure = self.selection.confidence if self.selection else None
        return self.effort.sure > 0 and (sure is None or sure < self.effort.sure)


def generate(
    spec: str,
    model: TextModel,
    *,
    header: str | None = None,
    language: Language | None = None,
    sampling: Sampling | None = None,
    effort: Effort | None = None,
    context: Context | None = None,
    bench: Bench | None = None,
    cocotb: Bench | None = None,
    simulator: PrintingSimulator,
) -> Result:
    """Ask ``model`` for a design, check every answer, and choose one.

    Args:
        spec: the problem in words.
        model: answers it, see `autovcoder.models.open_model`.
        header: fixes the interface, as `read_header` returns it.
        language: asked for, and checked; without it SystemVerilog is accepted and nothing is checked.
        sampling: how many answers and how they are drawn; one greedy answer when not given.
        effort: how one is chosen, and what is done where none is accepted.
        context: put before the specification, as `rag.context.build_contexts` finds it.
        bench: simulated against, as `hdl_sim.testbench.bench_from_text` makes it from a testbench's text.
        cocotb: simulated against as well, see `autovcoder.candidates.Checks`.
        simulator: decides what compiles and what passes.

    Raises:
        InputError: the specification is empty or not text, or a testbench cannot be used. ModelError: the model failed.
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    require_text(spec)
    sampling, effort, context = sampling or Sampling(), effort or Effort(), context or Context()
    stated = stated_interface(spec, header)
    checks = Checks(stated, header, language, bench, simulator, effort.mend, cocotb)
    work = _Work(model, sampling, stated, checks)
    prompt = user_text(spec, header, language=language, context=context.texts)
    work.ask(prompt, sampling.n)
    best, selection = _choose(work, spec, simulator, effort)
    notes: list[str] = []
    # What a later question fails with takes nothing from the answers that are there.
    while _wants_more(selection, effort, len(work.candidates)):
        try:
            work.ask(prompt, min(sampling.n, effort.most - len(work.candidates)))
        except ModelError as error:
            notes.append(f"no more answers drawn: {error}")
            break
        best, selection = _choose(work, spec, simulator, effort)
    for _ in range(effort.repairs):
        if work.candidates[best].accepted:
            break
        faulty = work.candidates[best]
        try:
            work.ask(prompt_for(faulty, spec, header, language), sampling.n, answers_to=best, told=why_not(faulty))
        except ModelError as error:
            notes.append(f"not repaired: {error}")
            break
        best, selection = _choose(work, spec, simulator, effort)
    return Result(
        spec=spec,
        header=header,
        model=model.name,
        sampling=sampling,
        effort=effort,
        context=context,
        candidates=tuple(work.candidates),
        best=best,
        selection=selection,
        notes=tuple(notes),
        seconds=work.seconds,
    )


def generate_verilog(
    spec: str,
    *,
    model: str | TextModel = "nano",
    endpoint: str | None = None,
    header: str | None = None,
    language: Language | None = None,
    sampling: Sampling | None = None,
    effort: Effort | None = None,
    testbench: str | None = None,
    pass_line: str | None = None,
) -> Result:
    """`generate` with a model and Icarus Verilog opened for it: ``autovcoder.generate_verilog("...").code``.

    Args:
        model: ``nano``, a Hugging Face id, a folder, or the name at ``endpoint``; or one that
            `autovcoder.models.open_model` gave, so that many specifications load it once.
        header: a text with the module header that fixes the interface, see `read_header`.
        testbench: the text of one in Verilog. ``pass_line``: a regular expression for its line that means a pass.

    Raises:
        InputError: a text cannot be used. ModelError: the model cannot. ToolMissing: Icarus Verilog is not installed.
    """
    from autovcoder.models import open_model
    from hdl_sim.icarus import Icarus
    from hdl_sim.testbench import bench_from_text
    from hdl_sim.tools import find_tool

    find_tool("iverilog")  # before a model is loaded
    interface = read_header(header) if header is not None else None
    bench = bench_from_text(testbench, pass_line=pass_line) if testbench is not None else None
    return generate(
        spec,
        open_model(model, endpoint) if isinstance(model, str) else model,
        header=interface,
        language=language,
        sampling=sampling,
        effort=effort,
        bench=bench,
        simulator=Icarus(),
    )


class _Work:
    """The candidates so far, and the time that they took; each further question has a seed of its own."""

    def __init__(self, model: TextModel, sampling: Sampling, stated: Stated, checks: Checks) -> None:
        self.candidates: list[Candidate] = []
        self.seconds = {"generate": 0.0, "check": 0.0}
        self._model, self._sampling, self._stated, self._checks = model, sampling, stated, checks
        self._asked = 0

    def ask(self, prompt: str, n: int, *, answers_to: int | None = None, told: Told | None = None) -> None:
        started = time.perf_counter()
        sampling = self._sampling.model_copy(update={"n": n, "seed": self._sampling.seed + self._asked})
        self._asked += n  # a server counts seeds up from the one it is given
        [answers] = self._model.complete(
            [prompt],
            sampling,
            starts=[self._stated.start],
            stop=lambda _, text: answer_complete(text, self._stated.name),
        )
        answered = time.perf_counter()
        new = self._checks.check_all(answers)
        if told is not None:
            heard = {"answers_to": answers_to, "told": told[0], "told_lines": tuple(told[1])}
            new = [one.model_copy(update=heard) for one in new]
        self.candidates += new
        self.seconds["generate"] += answered - started
        self.seconds["check"] += time.perf_counter() - answered

    def select(self, spec: str, simulator: PrintingSimulator) -> Selection:
        """Choose among the candidates that are accepted."""
        started = time.perf_counter()
        designs = [one.code if one.accepted else None for one in self.candidates]
        selection = select(designs, spec, self._stated, simulator)
        self.seconds["select"] = self.seconds.get("select", 0.0) + time.perf_counter() - started
        return selection


def _choose(work: _Work, spec: str, simulator: PrintingSimulator, effort: Effort) -> tuple[int, Selection | None]:
    if effort.select == "first" or len(work.candidates) < 2:
        return best_of(work.candidates), None
    selection = work.select(spec, simulator)
    repairs = sum(one.answers_to is not None for one in work.candidates)
    if repairs:  # asked because none before was accepted: what agrees, agrees among these
        found = confidence(selection.agreeing, repairs)
        selection = selection.model_copy(update={"of": repairs, "confidence": found})
    return best_of(work.candidates) if selection.best is None else selection.best, selection


def _wants_more(selection: Selection | None, effort: Effort, count: int) -> bool:
    sure = selection.confidence if selection else None
    return effort.select == "consensus" and count < effort.most and (sure is None or sure < effort.sure)


def read_header(text: str) -> str:
    """The module header in ``text``: from ``module`` to the ``;``, whatever follows it left out.

    Raises:
        InputError: there is not exactly one module, or its header is not Verilog.
    """
    if not text.strip():
        raise InputError("the header is empty", fix="write it from 'module' to the ';' that closes the port list")
    closed = text if is_closed(text) else f"{text}\nendmodule\n"
    source = read_source(closed, elaborate=False)
    if source.syntax_errors:
        first = source.syntax_errors[0]
        raise InputError(f"the header is not Verilog (line {first.line}: {first.message})")
    if len(source.modules) != 1:
        raise InputError(f"the header must be of one module, and {len(source.modules)} are there")
    return source.modules[0].header


def require_text(spec: str) -> None:
    """Make sure that a specification is one, before anything is done with it.

    Raises:
        InputError: it is empty, or holds halves of characters.
    """
    if not spec.strip():
        raise InputError("the specification is empty", fix="say in words what the module shall do")
    try:
        spec.encode()
    except UnicodeEncodeError:
        raise InputError("the specification is not text in UTF-8") from None
