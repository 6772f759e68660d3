"""Verification in stages, cheapest first: of a teacher's drafts only what simulation proves becomes a pair.

Reads drafts; writes ``pairs.jsonl`` (VerifiedPair), ``dropped.jsonl`` with the step and the reason, ``models.jsonl``
(what asking each Python model came to), and the funnel as ``funnel.json`` and ``funnel.md``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.files import write_atomic
from autovcoder.records import Bench, Draft, Verdict, VerifiedPair, content_id
from autovcoder.store import DROPPED, Manifest, Stage
from data_pipeline.contamination import ContaminationIndex, read_problems
from data_pipeline.funnel import Fate, as_page, funnel
from data_pipeline.pair_contamination import draft_matches, removal
from data_pipeline.pair_teeth import measure_until
from data_pipeline.released_drafts import Row, drafts_file, read_drafts
from data_pipeline.verification_steps import (
    NOT_CALLABLE,
    TOO_LITTLE,
    Confirmed,
    Drop,
    ask_and_compare,
    bench_tells,
    compile_alone,
    keeps_state_without_clock,
    run_own_bench,
    top_module,
    with_files,
)
from hdl_sim.limits import Limits
from hdl_sim.simulator import Simulator, in_parallel
from hdl_sim.teeth import Teeth
from hdl_sim.tools import tool_version

PAIRS, MODELS = "pairs.jsonl", "models.jsonl"
CONFIRMED = "confirmed"
# A testbench of a draft runs some milliseconds; one that does not end must not hold a core for half a minute. It is
# five times what a bench may take (`SLOW_S`), as mutants have.
_LIMITS = Limits(wall_s=120.0, cpu_s=10)


class VerifySettings(Settings):
    """What a pair must show.

    Attributes:
        min_kill: the least share of the mutants, equivalent ones left out, that the bench must kill.
        mutants: how many are drawn for each design. ``least_mutants``: fewer that count show nothing.
        require_model: drop what no Python model confirms.
        rebuilt_suffices: a draft whose own bench proves nothing is kept where the bench rebuilt from its model does.
    """

    min_kill: Annotated[float, Field(ge=0, le=1)] = 0.8
    mutants: Annotated[int, Field(ge=1)] = 24
    least_mutants: Annotated[int, Field(ge=0)] = 3
    require_model: bool = False
    rebuilt_suffices: bool = False


def verify(
    drafts: Path,
    out: Path,
    settings: VerifySettings,
    simulator: Simulator,
    against: Sequence[Path] = (),
    *,
    workers: int | None = None,
) -> Manifest:
    """Put every draft through the steps. An interrupted run goes on after its last row.

    Args:
        drafts: a file of drafts, ours or the released ones, or a stage folder with ``drafts.jsonl``.
        against: ``problems.jsonl`` files of benchmarks; what copies one of their problems is dropped.
        workers: drafts under way at once; all cores when None. Changes nothing in what is written.

    Raises:
        InputError: the drafts or a benchmark cannot be read. StoreError: the folder holds another run's work.
        ToolMissing, ToolFailed: a tool is not there or broke, which is never a draft's fault.
    """
    file = drafts_file(drafts)
    against = [Path(suite).resolve() for suite in against]
    inputs = {"drafts": file, **{f"suite {number}": suite for number, suite in enumerate(against, start=1)}}
    tools = {"simulator": simulator.name, "yosys": tool_version("yosys") or "", "pyslang": version("pyslang")}
    with Stage(out, "data.verify", config=settings.model_dump(), inputs=inputs, versions=tools) as stage:
        if stage.manifest:
            return stage.manifest
        done = sum(1 for _ in stage.rows(PAIRS)) + sum(1 for _ in stage.rows(DROPPED))
        index = ContaminationIndex.from_problems(read_problems(against))
        judge = _Judge(settings, _Brief(simulator), index)
        started, made = time.monotonic(), 0
        for result in in_parallel(judge, islice(read_drafts(file), done, None), workers):
            _write(stage, result)
            made += 1
        seconds = time.monotonic() - started
        found = funnel(list(_fates(stage, file)))
        stage.start()
        write_atomic(stage.folder / "funnel.json", json.dumps(found, indent=2) + "\n")
        write_atomic(stage.folder / "funnel.md", as_page(found))
        marked = found.get("marked_correct")
        facts = {"marked_correct": marked["drafts"], "marked_correct_kept": marked["kept"]} if marked else {}
        return stage.finish(
            drafts=found["drafts"], kept=found["kept"], drafts_a_second=round(made / max(seconds, 1e-9), 2), **facts
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row: a pair, or the reason why there is none.

    ``model``: what asking its model came to, where it was asked; ``own``: why the draft's own bench is none, where that
    was excused.
    """

    id: str
    pair: VerifiedPair | None = None
    drop: Drop | None = None
    model: str = ""
    own: str = ""


def _write(stage: Stage, result: Result) -> None:
    # The model's row first: a run that is cut off between the two writes it again, and the later one counts.
    if result.model:
        stage.append(MODELS, {"id": result.id, "outcome": result.model, "own_bench": result.own})
    if result.pair is not None:
        stage.append(PAIRS, result.pair)
    elif result.drop is not None:
        stage.append(
            DROPPED, {"id": result.id, "stage": f"{stage.name}.{result.drop.step}", "reason": result.drop.reason}
        )


class _Judge:
    """Takes one draft through the steps; safe to call from several threads at once."""

    def __init__(self, settings: VerifySettings, simulator: Simulator, benchmarks: ContaminationIndex) -> None:
        self._settings = settings
        self._simulator = simulator
        self._benchmarks = benchmarks
        self._lock = threading.Lock()
        self._teeth: dict[str, Future[Teeth]] = {}

    def __call__(self, row: Row) -> Result:
        if row.draft is None:
            return Result(row.id, drop=Drop("read", "malformed", row.fault))
        return self._judge(row.draft)

    def _judge(self, draft: Draft) -> Result:
        drop = compile_alone(draft, self._simulator)
        module = None if drop else top_module(draft)
        if drop or module is None:
            return Result(draft.id, drop=drop or Drop("compile", "elaboration", "its modules instantiate each other"))
        copied = removal(draft_matches(self._benchmarks, draft))
        if copied:
            return Result(draft.id, drop=Drop("copy", "copies-a-benchmark", copied))
        drop, stateful = keeps_state_without_clock(draft, module.name)
        if drop:
            return Result(draft.id, drop=drop)
        whole = with_files(draft)
        own: Drop | None
        if isinstance(whole, Drop):
            own, verdict = whole, None
        else:
            draft = whole
            own, verdict = run_own_bench(draft, self._simulator)
        # What a testbench says that tells nothing is no fault of the design.
        if own is None or own.step == "design":
            own = bench_tells(draft, module, self._simulator) or own
        if own and not self._settings.rebuilt_suffices:
            return Result(draft.id, drop=own)
        asked = ask_and_compare(draft, module, self._simulator, stateful=stateful)
        if isinstance(asked, Confirmed):
            result = self._with_teeth(draft, module.name, asked.verdict, asked.bench)
            if result.drop and verdict and not own:
                # The vectors need not come to what the draft's own bench was written for.
                result = self._with_teeth(draft, module.name, verdict, None)
            return replace(result, own=own.reason if own else "")
        fatal = asked.code not in (NOT_CALLABLE, TOO_LITTLE) or self._settings.require_model
        drop = own or (asked if fatal else None)
        if drop or verdict is None:
            return Result(draft.id, drop=drop, model=asked.reason)
        return self._with_teeth(draft, module.name, verdict, None, asked.reason)

    def _with_teeth(
        self, draft: Draft, top: str, verdict: Verdict, rebuilt: Bench | None, model: str = CONFIRMED
    ) -> Result:
        teeth = self._measure(draft.code, top, rebuilt or draft.testbench, verdict)
        counted = teeth.killed + teeth.survived + teeth.unknown
        if teeth.rate is not None and teeth.rate < self._settings.min_kill:
            return Result(
                draft.id, drop=Drop("teeth", "weak-bench", f"kills {teeth.killed} of at least {counted}"), model=model
            )
        if counted < self._settings.least_mutants:
            return Result(draft.id, drop=Drop("teeth", "too-few-mutants", f"{counted} count"), model=model)
        pair = VerifiedPair(
            draft=draft,
            verdict=verdict,
            killed=teeth.killed,
            survived=teeth.survived,
            equivalent=teeth.equivalent,
            unknown=teeth.unknown,
            rebuilt=rebuilt,
        )
        return Result(draft.id, pair=pair, model=model)

    def _measure(self, design: str, top: str, bench: Bench, verdict: Verdict) -> Teeth:
        """The teeth of a bench on a design, measured once for all drafts that have both to the letter.

        Under other names or in another layout other mutants are drawn.
        """
        key = content_id(design, top, bench.model_dump())
        with self._lock:
            known = self._teeth.get(key)
            if known is None:
                mine = self._teeth[key] = Future[Teeth]()
        if known is not None:
            return known.result()
        try:
            count, least = self._settings.mutants, self._settings.min_kill
            mine.set_result(measure_until(design, top, bench, verdict, self._simulator, count=count, least=least))
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()


@dataclass(frozen=True, slots=True)
class _Brief:
    """A simulator with the limits of drafts."""

    inner: Simulator

    @property
    def name(self) -> str:
        return self.inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = _LIMITS) -> Verdict:
        return self.inner.run(design, bench, _least(limits))

    def compile_only(self, design: str | None, limits: Limits = _LIMITS) -> Verdict:
        return self.inner.compile_only(design, _least(limits))


def _least(limits: Limits) -> Limits:
    return limits if limits.cpu_s < _LIMITS.cpu_s else _LIMITS


def _fates(stage: Stage, file: Path) -> Iterator[Fate]:
    """What became of every row, in the order of the input."""
    asked = {row["id"]: row for row in stage.rows(MODELS)}
    kept = {row["draft"]["id"]: row["rebuilt"] is not None for row in stage.rows(PAIRS)}
    left = {row["id"]: row for row in stage.rows(DROPPED)}
    for row in read_drafts(file):
        model, own = (asked.get(row.id, {}).get(key, "").partition(":")[0] for key in ("outcome", "own_bench"))
        if row.id in kept:
            yield Fate(row.id, "", "", row.marked_correct, model, kept[row.id], own)
        else:
            step = left[row.id]["stage"].rpartition(".")[2]
            yield Fate(row.id, step, left[row.id]["reason"].partition(":")[0], row.marked_correct, model)
