"""Verified pairs for round 2 and held-out problems to measure it: nothing is kept that simulation did not prove.

Reads the parametric teacher; writes ``pairs.jsonl`` (VerifiedPair), ``problems.jsonl`` (held-out Problem) and
``dropped.jsonl``, and in the manifest how much of the held-out set overlaps with training: by construction nothing,
and checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from autovcoder.config import Settings
from autovcoder.errors import StoreError, ToolFailed
from autovcoder.prompt import user_text
from autovcoder.records import Bench, Draft, Problem, VerifiedPair, content_id
from autovcoder.store import DROPPED, Manifest, Stage
from data_pipeline.parametric import ParametricTeacher, code_key, is_held_out
from hdl_sim.simulator import Simulator, simulate_many

OVERLAP = "overlaps with a held-out problem"


class PairSettings(Settings):
    """``pairs`` drafts are drawn for training and ``problems`` are held out."""

    seed: int = 0
    pairs: int = 48_000
    problems: int = 600


def make_pairs(out: Path, settings: PairSettings, simulator: Simulator) -> Manifest:
    """Draw, simulate and keep. An interrupted run goes on after its last row.

    Raises:
        StoreError: the folder holds another run's work.
        ToolMissing, ToolFailed: the simulator is not there or broke; also when a held-out reference fails, because then
            the family is wrong and nothing measured on it would mean anything.
    """
    config, tools = settings.model_dump(), {"simulator": simulator.name}
    with Stage(out, "data.pairs", config=config, seed=settings.seed, versions=tools) as stage:
        if stage.manifest:
            return stage.manifest
        teacher = ParametricTeacher()
        problems = _held_out(stage, teacher, settings, simulator)
        forbidden = {_problem_key(problem) for problem in problems}
        done = sum(1 for _ in stage.rows("pairs.jsonl")) + sum(1 for _ in stage.rows(DROPPED))
        drafts = (teacher.draft(settings.seed, index) for index in range(done, settings.pairs))
        for draft, pair in _verify(drafts, simulator):
            # The teacher draws no such draft by its construction; this does not rest on it.
            if is_held_out(code_key(draft.code)) or _text_key(draft.problem) in forbidden:
                stage.drop(draft.id, OVERLAP)
            elif not pair.verdict.passed:
                stage.drop(draft.id, f"the design fails its bench: {pair.verdict.status}")
            else:
                stage.append("pairs.jsonl", pair)
        dropped = sum(1 for row in stage.rows(DROPPED) if row["reason"] == OVERLAP)
        return stage.finish(**_overlap(stage, problems), pairs_dropped_for_overlap=dropped)


def _held_out(stage: Stage, teacher: ParametricTeacher, settings: PairSettings, simulator: Simulator) -> list[Problem]:
    problems = list(teacher.problems(settings.seed, settings.problems))
    written = [Problem.model_validate(row) for row in stage.rows("problems.jsonl")]
    if written != problems[: len(written)]:
        raise StoreError("the folder was begun with other circuit families", where=stage.folder, fix="delete it")
    waiting = problems[len(written) :]
    for problem, verdict in zip(
        waiting, simulate_many(simulator, ((p.reference, p.bench) for p in waiting)), strict=True
    ):
        if not verdict.passed:
            raise ToolFailed(f"a held-out reference fails its own bench ({verdict.status})", where=problem.id)
        stage.append("problems.jsonl", problem)
    return problems


def _verify(drafts: Iterable[Draft], simulator: Simulator) -> Iterator[tuple[Draft, VerifiedPair]]:
    drawn: list[Draft] = []

    def jobs() -> Iterator[tuple[str, Bench]]:
        for draft in drafts:
            drawn.append(draft)
            yield draft.code, draft.testbench

    for verdict in simulate_many(simulator, jobs()):
        draft = drawn.pop(0)
        yield draft, VerifiedPair(draft=draft, verdict=verdict)


def _overlap(stage: Stage, problems: list[Problem]) -> dict[str, int]:
    """How many held-out problems share their text or their design with a pair that was kept."""
    texts: set[str] = set()
    codes: set[str] = set()
    for row in stage.rows("pairs.jsonl"):
        texts.add(_text_key(row["draft"]["problem"]))
        codes.add(code_key(row["draft"]["code"]))
    return {
        "held_out_problems": len(problems),
        "held_out_texts_in_training": sum(_problem_key(p) in texts for p in problems),
        "held_out_designs_in_training": sum(code_key(p.reference or "") in codes for p in problems),
        "distinct_training_designs": len(codes),
    }


def _problem_key(problem: Problem) -> str:
    return _text_key(user_text(problem.spec, problem.interface))


def _text_key(text: str) -> str:
    return content_id("text", " ".join(text.lower().split()))
