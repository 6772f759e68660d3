"""Verified pairs for round 2 and held-out problems to measure it: nothing is kept that simulation did not prove.

Reads the parametric teacher and the problems of benchmarks; writes ``pairs.jsonl`` (VerifiedPair), ``problems.jsonl``
(held-out Problem), ``designs.jsonl`` (what was found for each distinct design, its mutants' fates among it),
``matches.jsonl`` (what drafts share with benchmarks) and ``dropped.jsonl``. The manifest says how much of the held-out
set overlaps with the pairs: their designs and texts by construction not at all, which is checked here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autovcoder.errors import StoreError, ToolFailed
from autovcoder.prompt import user_text
from autovcoder.records import Bench, Draft, Problem, Verdict, VerifiedPair, content_id
from autovcoder.store import DROPPED, Manifest, Stage
from data_pipeline.contamination import ContaminationIndex, read_problems
from data_pipeline.designs import FATES, DesignRow, measure_design
from data_pipeline.made_up_designs import MadeUpShares, WiderTeacher
from data_pipeline.pair_contamination import draft_matches, removal
from data_pipeline.parametric import Design, Drawn, ParametricTeacher, code_key, is_held_out, module_keys, own_designs
from hdl_sim.simulator import Simulator, in_parallel, simulate_many

OVERLAP = "overlaps with a held-out problem"
_VERSIONS = 6
"""Pairs on each circuit that goes by a name, on average: of one that has no other nothing could be shown."""
DESIGNS, MATCHES = "designs.jsonl", "matches.jsonl"


class PairSettings(MadeUpShares):
    """``pairs`` different drafts are drawn for training and ``problems`` are held out.

    Attributes:
        families: by name; all when empty.
        in_house: here of pairs that only another version of the circuit can explain: of use where that stands before
            the problem (``context.needed`` of round 2).
        designs: the most of the families' designs to draw from, families in turn; None for all. Each costs its
            mutants' simulation, and most of that time goes into proofs for those that survive.
        mutants: of each distinct design; 0 for none.
        min_kill: the share of mutants not proven equivalent that a design's bench must kill.
    """

    seed: int = 0
    pairs: Annotated[int, Field(ge=0)] = 48_000
    problems: Annotated[int, Field(ge=0)] = 600
    families: tuple[str, ...] = ()
    designs: Annotated[int | None, Field(ge=1)] = None
    mutants: Annotated[int, Field(ge=0)] = 12
    min_kill: Annotated[float, Field(ge=0, le=1)] = 0.8


def make_pairs(out: Path, settings: PairSettings, simulator: Simulator, against: Sequence[Path] = ()) -> Manifest:
    """Draw, simulate and keep. An interrupted run goes on after its last row.

    Args:
        against: ``problems.jsonl`` files of benchmarks; what copies one of their problems is dropped.

    Raises:
        InputError: there is no such family, or a benchmark's file cannot be read.
        StoreError: the folder holds another run's work.
        ToolMissing, ToolFailed: the simulator is not there or broke; also when a held-out reference fails, because then
            the family is wrong and nothing measured on it would mean anything.
    """
    against = [Path(file).resolve() for file in against]
    with Stage(
        out,
        "data.pairs",
        config=settings.model_dump(),
        seed=settings.seed,
        versions={"simulator": simulator.name},
        inputs={f"suite {number}": file for number, file in enumerate(against, start=1)},
    ) as stage:
        if stage.manifest:
            return stage.manifest
        teacher = WiderTeacher(
            settings.families,
            made_up=settings.made_up,
            in_house=settings.in_house,
            names=max(1, round(settings.pairs * settings.in_house / _VERSIONS)),
            seed=settings.seed,
        )
        if settings.designs is not None:
            teacher.keep(settings.designs, settings.seed)
        index = ContaminationIndex.from_problems(read_problems(against))
        problems = _held_out(stage, teacher, settings, simulator)
        draws = teacher.distinct(settings.seed, settings.pairs)
        designs = _measured(stage, teacher, draws, settings, simulator)
        texts = {_problem_key(problem) for problem in problems}
        held_out = {code_key(problem.reference or "") for problem in problems}
        for drawn, draft, verdict in _simulated(stage, teacher, draws, settings.seed, simulator):
            matches = draft_matches(index, draft) if len(index) else ()
            # The teacher draws no such draft by its construction; this does not rest on it.
            overlaps = (
                is_held_out(code_key(draft.code))
                or not held_out.isdisjoint(module_keys(draft.code))
                or _text_key(draft.problem) in texts
            )
            row = designs[drawn.design.key]
            reason = (OVERLAP if overlaps else None) or row.fault or removal(matches)
            if reason is None and not verdict.passed:
                reason = f"the design fails its bench: {verdict.status}"
            if reason:
                stage.drop(draft.id, reason)
            else:
                stage.append("pairs.jsonl", _pair(draft, verdict, row))
            if matches:
                stage.append(MATCHES, {"id": draft.id, "matches": [match.model_dump() for match in matches]})
        return stage.finish(**_overlap(stage, problems), **_summary(stage, designs.values()))


def _held_out(stage: Stage, teacher: ParametricTeacher, settings: PairSettings, simulator: Simulator) -> list[Problem]:
    problems = list(teacher.problems(settings.seed, settings.problems))
    keep_problems(stage, problems, simulator)
    return problems


def keep_problems(stage: Stage, problems: Sequence[Problem], simulator: Simulator) -> None:
    """Write those that the folder has not yet, once their references pass.

    Raises:
        StoreError: the folder has others. ToolMissing, ToolFailed: the simulator is not there or broke, or a reference
            fails its own bench.
    """
    written = [Problem.model_validate(row) for row in stage.rows("problems.jsonl")]
    if written != problems[: len(written)]:
        raise StoreError("the folder was begun with other problems", where=stage.folder, fix="delete it")
    waiting = problems[len(written) :]
    for problem, verdict in zip(
        waiting, simulate_many(simulator, ((p.reference, p.bench) for p in waiting)), strict=True
    ):
        if not verdict.passed:
            raise ToolFailed(f"a held-out reference fails its own bench ({verdict.status})", where=problem.id)
        stage.append("problems.jsonl", problem)


def _measured(
    stage: Stage, teacher: ParametricTeacher, draws: Iterable[int], settings: PairSettings, simulator: Simulator
) -> dict[str, DesignRow]:
    """What is known of every design that was drawn, by key; in the order in which they were drawn first."""
    known = {row["key"]: DesignRow.model_validate(row) for row in stage.rows(DESIGNS)}
    drawn = {design.key: design for index in draws for design in (teacher.drawn(settings.seed, index).design,)}

    def measure(design: Design) -> DesignRow:
        return measure_design(design, settings.seed, simulator, count=settings.mutants, least=settings.min_kill)

    for row in in_parallel(measure, (design for key, design in drawn.items() if key not in known)):
        stage.append(DESIGNS, row)
        known[row.key] = row
    return known


def _simulated(
    stage: Stage, teacher: ParametricTeacher, draws: Sequence[int], seed: int, simulator: Simulator
) -> Iterator[tuple[Drawn, Draft, Verdict]]:
    """The drafts that the folder has not decided yet, each under its own names on its own bench."""
    done = sum(1 for file in ("pairs.jsonl", DROPPED) for _ in stage.rows(file))
    waiting: deque[tuple[Drawn, Draft]] = deque()

    def jobs() -> Iterator[tuple[str, Bench]]:
        for index in draws[done:]:
            drawn = teacher.drawn(seed, index)
            waiting.append((drawn, drawn.draft(seed)))
            yield drawn.code, waiting[-1][1].testbench

    for verdict in simulate_many(simulator, jobs()):
        yield *waiting.popleft(), verdict


def timeless(verdict: Verdict) -> Verdict:
    """Without the time that it took: the same settings give the same bytes, so that what rests on them can resume."""
    return verdict.model_copy(update={"seconds": 0.0})


def _pair(draft: Draft, verdict: Verdict, row: DesignRow) -> VerifiedPair:
    return VerifiedPair(
        draft=draft,
        verdict=timeless(verdict),
        killed=row.killed,
        survived=row.survived,
        equivalent=row.equivalent,
        unknown=row.unknown,
    )


def _summary(stage: Stage, designs: Iterable[DesignRow]) -> dict[str, Any]:
    """What the manifest says of drops, of mutants, and of what is shared with benchmarks."""
    dropped = Counter(row["reason"].partition(" (")[0] for row in stage.rows(DROPPED))
    copies = Counter((row["matches"][0]["suite"], row["matches"][0]["kind"]) for row in stage.rows(MATCHES))
    fates = Counter[str]()
    shares = Counter[str]()
    for row in designs:
        if row.killed is not None:
            fates.update({name: getattr(row, name) for name in FATES})
            shares[f"{int(row.kill_rate * 20) * 5} %"] += 1
    return {
        "dropped": dict(dropped.most_common()),
        "mutants": dict(fates),
        "designs_by_kill_rate": dict(sorted(shares.items(), key=lambda item: int(item[0].split()[0]))),
        "strongest_matches": {f"{suite}: {kind}": count for (suite, kind), count in copies.most_common()},
    }


def _overlap(stage: Stage, problems: list[Problem]) -> dict[str, int]:
    """How many held-out problems share their text or their design with a pair that was kept.

    A design is in training too as a submodule; an answer is what a problem asks for without the modules that it gives,
    so that the same answer around other given modules is another design.
    """
    texts: set[str] = set()
    codes: set[str] = set()
    modules: set[str] = set()
    for row in stage.rows("pairs.jsonl"):
        texts.add(_text_key(row["draft"]["problem"]))
        codes.add(code_key(row["draft"]["code"]))
        modules.update(module_keys(row["draft"]["code"]))
    designs = codes | modules
    return {
        "held_out_problems": len(problems),
        "held_out_texts_in_training": sum(_problem_key(p) in texts for p in problems),
        "held_out_designs_in_training": sum(code_key(p.reference or "") in designs for p in problems),
        "held_out_answers_in_training": sum(not modules.isdisjoint(own_designs(p)) for p in problems),
        "distinct_training_designs": len(codes),
    }


def _problem_key(problem: Problem) -> str:
    return _text_key(user_text(problem.spec, problem.interface))


def _text_key(text: str) -> str:
    return content_id("text", " ".join(text.lower().split()))
