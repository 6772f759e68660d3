"""Problems that only a library can answer: circuits that go by a made-up name, and other versions of them to look at.

Reads nothing; writes ``problems.jsonl`` (Problem: a version of a circuit that training never saw, asked for by its
name) and ``pairs.jsonl`` (VerifiedPair: other versions of it, for `autovcoder rag add`). What a model answers without
the library it has guessed, so that the suite tells whether retrieval and reading work, and nothing else.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.errors import ToolFailed
from autovcoder.records import Problem, VerifiedPair
from autovcoder.store import Manifest, Stage
from data_pipeline.made_up import house_name
from data_pipeline.made_up_designs import IN_HOUSE, draw_house_number, draw_version
from data_pipeline.pairs import keep_problems, timeless
from data_pipeline.parametric import Drawn, held_out_problem, written
from data_pipeline.phrasing import word
from hdl_sim.simulator import Simulator, simulate_many

_DRAWS = 4
"""Versions that are drawn for each that is wanted."""


class HouseSettings(Settings):
    """``problems`` circuits, one problem each, with ``versions`` others of it in the library."""

    seed: int = 0
    problems: Annotated[int, Field(ge=0)] = 300
    versions: Annotated[int, Field(ge=1, le=8)] = 2


def make_house_suite(out: Path, settings: HouseSettings, simulator: Simulator) -> Manifest:
    """Draw, simulate and write; an interrupted run goes on after its last circuit.

    Raises:
        StoreError: the folder holds another run's work.
        ToolMissing, ToolFailed: the simulator is not there or broke, or a reference fails its own bench.
    """
    with Stage(
        out, "data.in-house", config=settings.model_dump(), seed=settings.seed, versions={"simulator": simulator.name}
    ) as stage:
        if stage.manifest:
            return stage.manifest
        taken: set[str] = set()
        drawn = [_draw(settings, place, taken) for place in range(settings.problems)]
        keep_problems(stage, [problem for problem, _ in drawn], simulator)
        _keep_pairs(stage, [one for _, some in drawn for one in some], settings.seed, simulator)
        return stage.finish()


def _draw(settings: HouseSettings, place: int, taken: set[str]) -> tuple[Problem, list[Drawn]]:
    """A problem and the versions for the library, none of which is its own circuit or another problem's.

    Args:
        taken: names and designs (`Design.key`) of what was drawn before, none of which is drawn again; its own are
            added.
    """
    rng = random.Random(f"house suite {settings.seed} {place}")
    while True:
        number = draw_house_number(rng, held_out=True)
        asked = draw_version(number, rng, told=False)
        designs = [draw_version(number, rng, told=rng.random() < 0.5) for _ in range(_DRAWS * settings.versions)]
        others = {design.key: design for design in designs if design.key not in taken | {asked.key}}
        enough = len(others) >= settings.versions  # a circuit of single bits has too few
        if enough and taken.isdisjoint((house_name(number), asked.key)):
            break
    bench_seed, unseen = f"house suite {settings.seed} {place}", bool(place % 2)
    problem = held_out_problem(asked, rng, IN_HOUSE, asked.family.topic, bench_seed, unseen_headline=unseen)
    kept = list(others.values())[: settings.versions]
    taken.update((house_name(number), asked.key), (design.key for design in kept))
    return problem, [written(design, word(design.circuit, rng)) for design in kept]


def _keep_pairs(stage: Stage, versions: list[Drawn], seed: int, simulator: Simulator) -> None:
    drafts = [one.draft(seed) for one in versions[sum(1 for _ in stage.rows("pairs.jsonl")) :]]
    for draft, verdict in zip(
        drafts, simulate_many(simulator, ((draft.code, draft.testbench) for draft in drafts)), strict=True
    ):
        if not verdict.passed:
            raise ToolFailed(f"a version fails its own bench ({verdict.status})", where=draft.id)
        stage.append("pairs.jsonl", VerifiedPair(draft=draft, verdict=timeless(verdict)))
