"""Waveforms for the report of a run: what the first answer to each problem that went wrong did in the simulation.

Reads problems, samples and verdicts; appends to waves.jsonl in the run's folder, and draws nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from autovcoder.errors import AutoVCoderError
from autovcoder.records import Problem, Sample, Verdict
from autovcoder.store import Stage
from eval.report import Key
from hdl_sim.limits import Limits
from hdl_sim.simulator import Simulator, in_parallel
from hdl_sim.waves import Dumps, waveform

WAVES = "waves.jsonl"
MOST = 200
# A bench that only prints a line when all is well calls a wrong design `no_result`.
_WRONG = ("mismatch", "no_result")


def draw_waves(
    problems: Sequence[Problem],
    samples: Sequence[Sample],
    verdicts: Mapping[Key, Verdict],
    simulator: Simulator,
    stage: Stage,
    *,
    limits: Limits,
    progress: Callable[[str, int, int], None],
    most: int = MOST,
) -> None:
    """Simulate again, with a dump, one wrong answer for each problem and status, at most ``most`` in all.

    A row of waves.jsonl has ``problem_id``, ``index``, ``waveform`` (null where there is none) and ``fault``: a picture
    that cannot be had costs the run nothing else. Nothing is done for a simulator that cannot dump.
    """
    if not isinstance(simulator, Dumps):
        return
    by_id = {problem.id: problem for problem in problems}
    there = {(row["problem_id"], row["index"]) for row in stage.rows(WAVES)}
    wanted: dict[tuple[str, str], Sample] = {}
    for sample in sorted(samples, key=lambda sample: sample.index):
        verdict = verdicts.get((sample.problem_id, sample.index))
        if verdict is not None and verdict.stage == "simulate" and verdict.status in _WRONG and sample.code:
            wanted.setdefault((sample.problem_id, verdict.status), sample)
    chosen = list(wanted.values())[:most]
    todo = [sample for sample in chosen if (sample.problem_id, sample.index) not in there]

    def draw(sample: Sample) -> dict[str, Any]:
        return _draw(simulator, sample, by_id[sample.problem_id], limits)

    with closing(in_parallel(draw, todo)) as drawn:
        for done, (sample, row) in enumerate(zip(todo, drawn, strict=True), start=1):
            stage.append(WAVES, {"problem_id": sample.problem_id, "index": sample.index, **row})
            progress("drawing waveforms", done, len(todo))


def _draw(simulator: Dumps, sample: Sample, problem: Problem, limits: Limits) -> dict[str, Any]:
    try:
        wave = waveform(simulator, sample.code or "", problem.bench, reference=problem.reference, limits=limits)
    except AutoVCoderError as error:
        return {"waveform": None, "fault": str(error)}
    return {"waveform": wave.model_dump(mode="json") if wave else None, "fault": None}
