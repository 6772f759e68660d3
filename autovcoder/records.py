"""What flows between the stages: frozen records, one line of JSON each.

Reads nothing and writes nothing; depends on pydantic alone, so that every package can share it.
Ids are the sha256 of canonical content: the same content has the same id in every run.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Direction = Literal["input", "output", "inout", "ref", "interface"]
CircuitType = Literal["combinational", "sequential"]
Level = Literal["easy", "medium", "hard"]
Size = Literal["small", "medium", "large"]
Status = Literal[
    "pass",
    "syntax_error",
    "elaboration_error",
    "mismatch",
    "runtime_error",
    "timeout",
    "no_result",
    "forbidden",
    "no_code",
]
SimStage = Literal["extract", "parse", "elaborate", "simulate"]
Language = Literal["verilog-2001", "systemverilog"]
Rule = Literal["ours", "official"]


def content_id(*parts: Any) -> str:
    """The sha256 (hex) of the canonical JSON of ``parts``: keys sorted, no spaces, UTF-8."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Record(BaseModel):
    """The base of all records: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Port(Record):
    """A module port; ``width`` in bits, None where it depends on something unknown."""

    name: str
    direction: Direction
    width: int | None = 1


class Provenance(Record):
    """Where a piece of RTL came from; lines count from 1, both ends included."""

    repo: str
    commit: str
    path: str
    license: str | None
    first_line: int
    last_line: int


class Repository(Record):
    """A source of RTL as it was collected: one commit, its RTL and licence files in one zip archive.

    Attributes:
        name: ``owner/name``, or the folder's name; no two of a collection share it.
        url: where it was fetched from; a local one is a ``file://`` URL.
        commit: the commit, in hexadecimal; of a folder that is no repository the same as ``sha256``.
        date: of the commit, ISO 8601.
        license: an SPDX identifier or expression. ``license_source``: whether the repository's own licence files say so
            or GitHub does.
        stars: and ``created`` (ISO 8601), where GitHub's search told.
        files: how many are in the archive; ``bytes``: of all of them, unpacked.
        archive: its path in the stage folder. ``sha256``: of the listing of what it holds, one line ``sha256  path`` a
            file in order of path, so that it does not depend on how zlib compresses.
    """

    name: str
    url: str
    commit: str
    date: str | None
    license: str | None
    license_source: Literal["file", "api"] | None
    stars: int | None = None
    created: str | None = None
    files: int
    bytes: int
    archive: str
    sha256: str


class QualityScore(Record):
    """A code score from 0 to 10; ``rubric`` maps each criterion to its part of the score."""

    scorer: str
    value: Annotated[float, Field(ge=0, le=10)]
    rubric: dict[str, float] = {}


class RtlModule(Record):
    """One module of the round-1 corpus.

    Attributes:
        code: the doc comment above the module, the macros it uses where the repository defines them, and the module
            itself as its authors wrote it; UTF-8 with line feeds.
        ports: in their order; widths with the defaults of parameters, None where they depend on something unknown.
        instances: the names of the modules that it instantiates, each once, in their order.
    """

    id: str
    name: str
    language: Language
    code: str
    ports: tuple[Port, ...]
    instances: tuple[str, ...] = ()
    provenance: Provenance
    score: QualityScore | None = None


class ContaminationMatch(Record):
    """What a module of the corpus shares with a benchmark's problem.

    Attributes:
        module_id: of the `RtlModule`; ``suite`` and ``problem_id``: of the `Problem`.
        kind: ``exact``: the same code but for layout and the module's name; ``renamed``: but for all names; ``near``:
            an edited copy, or one inside a larger module; ``text``: the problem's words in the comments; ``trivial``:
            the same code, but too short for a copy to be told from the one way to write it.
        similarity: from 0 to 1; for ``text``, the share of the problem's n-grams that are found.
        removes: the module must leave the corpus.
    """

    module_id: str
    suite: str
    problem_id: str
    kind: Literal["exact", "renamed", "near", "text", "trivial"]
    similarity: Annotated[float, Field(ge=0, le=1)]
    removes: bool


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


MAX_PATTERN = 1000  # characters
Pattern = Annotated[str, Field(max_length=MAX_PATTERN), AfterValidator(_compiles)]
"""A regular expression of Python, of a length that a person would write."""


class PassRule(Record):
    """How a testbench says that a design passed.

    mismatch_count: exactly one line ``Mismatches: M in N samples`` (VerilogEval's form); passes when M is 0 and N is
        above 0, and equals ``expected_samples`` where that is set.
    pass_line: exactly one line matches ``pattern`` (a Python regular expression, searched), no ``$error`` or ``$fatal``
        fired, and the simulation ended by the testbench's own ``$finish``; with ``needs_finish`` false, for testbenches
        that have none, it may also end for want of anything left to do. Where it does not pass, a line that matches
        ``fail_pattern`` makes it a mismatch rather than a test without a result.
    cocotb_results: cocotb's results file reports at least one test and no failure.
    quiet_mismatch_count: the rule of VerilogEval v1's own evaluator, for comparison with published figures. The
        compiler, told to warn (``-Wall -Winfloop -Wno-timescale``), and the simulation print nothing to standard error,
        and the first ``Mismatches: M in N samples`` anywhere in the output has an M of 0.

    Attributes:
        secret: the testbench prints its result behind a word that is drawn anew for each run, where its sources say
            ``@SECRET@``: a line of the result counts only with that word and a space in front of it. For testbenches
            of our own; others' have no place for it.
    """

    kind: Literal["mismatch_count", "pass_line", "cocotb_results", "quiet_mismatch_count"]
    pattern: Pattern | None = None
    fail_pattern: Pattern | None = None
    expected_samples: int | None = None
    needs_finish: bool = True
    secret: bool = False


class Bench(Record):
    """A testbench: everything but the design.

    Attributes:
        kind: which engine runs it.
        sources: file name to text. Verilog files are compiled with the design; a cocotb bench has ``test_*.py``.
        data_files: file name to text, put beside the simulation (for ``$readmemh`` and the like).
        top: the testbench's top module (verilog), or the design's (cocotb).
        pass_rule: how the outcome is read.
    """

    kind: Literal["verilog", "cocotb"]
    sources: dict[str, str]
    data_files: dict[str, str] = {}
    top: str
    pass_rule: PassRule


class Problem(Record):
    """One benchmark problem.

    ``interface`` is the module header the answer must have, where the problem fixes one; ``size`` what its suite says
    about the design's size.
    """

    id: str
    suite: str
    category: str
    spec: str
    interface: str | None = None
    bench: Bench
    reference: str | None = None
    size: Size | None = None


class Draft(Record):
    """A problem and its proposed solution, as a teacher wrote them; nothing in it is proven yet.

    ``reference_model`` is Python source from a language-model teacher, and from a parametric family the call that
    rebuilds the model (family and parameters).
    """

    id: str
    problem: str
    circuit_type: CircuitType
    level: Level
    topic: str
    code: str
    testbench: Bench
    reference_model: str
    teacher: str


class Diagnostic(Record):
    """One message of a front end; line and column count from 1."""

    severity: Literal["error", "warning", "note"]
    message: str
    line: int | None = None
    column: int | None = None
    code: str | None = None


class Verdict(Record):
    """What a design did on a bench.

    ``mismatches`` of ``samples`` where the bench counts them; ``seconds`` is wall time.
    """

    status: Status
    stage: SimStage
    mismatches: int | None = None
    samples: int | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    log_tail: str = ""
    seconds: float = 0.0
    simulator: str = ""

    @property
    def passed(self) -> bool:
        return self.status == "pass"


class Signal(Record):
    """One signal of a waveform.

    ``changes`` are (time, value), ascending in time; a value has one of ``01xz`` for each of ``width`` bits, the
    highest bit first. ``bits`` is the range as declared, such as ``[7:0]``.
    """

    name: str
    width: int
    bits: str = ""
    changes: tuple[tuple[int, str], ...]


class Waveform(Record):
    """What the ports of a design did in a simulation, around the first mismatch.

    Attributes:
        timescale: the unit of all times, such as ``1 ps``.
        start: of the window, where every signal's first change is; ``end``: of the window, itself outside.
        mismatch: when an output first differed from what is expected; None where nobody can tell.
        signals: inputs, then outputs: as ``y_ref`` (expected) and ``y_dut`` (got) where both are known.
        differences: ``y`` to when those two first differed; None where they did not until the window's end.
        left_out: how many signals were left out for their size or number.
    """

    timescale: str
    start: int
    end: int
    mismatch: int | None
    signals: tuple[Signal, ...]
    differences: dict[str, int | None] = {}
    left_out: int = 0


class VerifiedPair(Record):
    """A draft that simulation proved, with the fate of the design's mutants (None where none were run).

    ``rebuilt`` is the testbench made from the outputs of the draft's reference model, where it has one that can be run
    and that testbench has the teeth: the verdict and the mutants' fates are then its, and otherwise the draft's own.
    """

    draft: Draft
    verdict: Verdict
    killed: int | None = None
    survived: int | None = None
    equivalent: int | None = None
    unknown: int | None = None
    rebuilt: Bench | None = None


StoreKind = Literal["example", "knowledge"]


class Entry(Record):
    """A text that retrieval may put before a problem.

    Attributes:
        id: its name in its store; the same text of the same source has the same.
        title: what it is about, for people. ``text``: what a model is shown.
        key: what a query is compared with: of an example the problem, of knowledge the title and the text.
        topic: a family or subject, where one is known.
        source: the file or the stage it came from; ``place``: where in it, such as ``lines 3-20`` or ``page 4``.
    """

    id: str
    store: StoreKind
    title: str
    text: str
    key: str
    topic: str = ""
    source: str = ""
    place: str = ""


class Hit(Record):
    """One retrieved entry; ``score`` is the cosine of its vector with the query's."""

    doc_id: str
    text: str
    score: float
    store: StoreKind
    title: str = ""
    source: str = ""
    place: str = ""


class LeftOut(Record):
    """An entry that was found and not shown, and why."""

    hit: Hit
    reason: str


class Context(Record):
    """What is put before one problem.

    Attributes:
        shown: in the order in which they are shown. ``tokens``: that they take together.
        left_out: the best of those that were found and not shown.
    """

    shown: tuple[Hit, ...] = ()
    tokens: int = 0
    left_out: tuple[LeftOut, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(hit.text for hit in self.shown)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(hit.doc_id for hit in self.shown)


class Sampling(Record):
    """How a model is sampled. ``temperature`` 0 is greedy decoding; ``n`` answers are drawn for each prompt."""

    n: Annotated[int, Field(ge=1)] = 1
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0
    max_new_tokens: Annotated[int, Field(ge=1)] = 1024


class Sample(Record):
    """One answer of a model: ``raw`` as it came, ``code`` as extracted (None where there was none)."""

    problem_id: str
    index: int
    prompt_sha256: str
    context_ids: tuple[str, ...] = ()
    raw: str
    code: str | None
    model: str
    sampling: Sampling
