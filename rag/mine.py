"""Find out which entries help a model: ask it with an entry before the problem and without, and simulate the answers.

Reads problems with their benches and a store; writes ``mined.jsonl`` (`rag.groups.Mined`) into a stage folder. This is
the paper's way (section III-D): F of an answer is 0 where its syntax is wrong, 1 where it compiles and 2 where it is
correct; an entry is a positive for a problem where the mean of F over a few samples is higher with it, a negative where
it is lower, and where it is the same it says nothing. With an entry and without, answers are drawn from the same random
streams, so that an entry which changes nothing gives a tie.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from autovcoder.config import Settings
from autovcoder.errors import ContextTooLong, InputError
from autovcoder.files import read_records
from autovcoder.models import TextModel
from autovcoder.models.asking import complete_each, room_left
from autovcoder.prompt import user_text
from autovcoder.records import Bench, Entry, Problem, Sampling, Verdict, VerifiedPair
from autovcoder.store import DROPPED, Manifest, Stage
from hdl_sim.extract import answer_complete, extract_code
from hdl_sim.simulator import Simulator, simulate_many
from hdl_sim.statement import stated_interface
from rag.groups import Mined, Tried
from rag.library import topic_of
from rag.places import STORE
from rag.retrieve import Retriever
from rag.store import EntryStore

MINED = "mined.jsonl"
_BROKEN = frozenset({"no_code", "syntax_error", "elaboration_error", "forbidden"})


class MiningSettings(Settings):
    """What is tried.

    Attributes:
        problems: how many are drawn. ``near``, ``chance``: entries tried for each, the nearest and drawn ones.
        samples: answers for each prompt. ``batch``: problems that are asked together.
    """

    seed: int = 0
    model: str = "nano"
    endpoint: str | None = None
    problems: PositiveInt = 200
    near: NonNegativeInt = 4
    chance: NonNegativeInt = 2
    samples: PositiveInt = 4
    temperature: Annotated[float, Field(gt=0)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_new_tokens: PositiveInt = 768
    batch: PositiveInt = 8


class Task(NamedTuple):
    """A problem to mine with; ``code`` is its solution, and no entry that shows it is tried."""

    id: str
    spec: str
    header: str | None
    topic: str
    bench: Bench
    code: str


def mine(
    out: Path,
    settings: MiningSettings,
    tasks: Path,
    stores: Sequence[EntryStore],
    model: TextModel,
    simulator: Simulator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:
    """Write the stage folder; an interrupted one goes on behind the last problem that was done.

    Args:
        tasks: verified pairs or a suite's problems: ``pairs.jsonl`` or ``problems.jsonl``.
        stores: whose entries are tried; all of one encoder.
        model: the one that ``settings`` names. Where its context has no room for a prompt with an entry and a whole
            answer, the entry is left out, and a problem likewise; ``dropped.jsonl`` names them.

    Raises:
        InputError: there is no problem to mine with, or none that the model can read. StoreError: the folder holds
            another run's work. ModelError: the model cannot be used.
    """
    inputs = {"tasks": tasks, **{f"store {number}": one.folder / STORE for number, one in enumerate(stores, start=1)}}
    with Stage(out, "rag.mine", config=settings.model_dump(), inputs=inputs, seed=settings.seed) as stage:
        if stage.manifest:
            return stage.manifest
        all_tasks = read_tasks(tasks)
        count = min(settings.problems, len(all_tasks))
        chosen = random.Random(f"mine {settings.seed}").sample(all_tasks, count)
        dropped = {(row["id"], row["reason"]) for row in stage.rows(DROPPED)}
        done = {row["problem_id"] for row in stage.rows(MINED)} | {name for name, _ in dropped}
        waiting = [task for task in chosen if task.id not in done]
        for start in range(0, len(waiting), settings.batch):
            progress(count - len(waiting) + start, count)
            for row, left_out in _mined(waiting[start : start + settings.batch], stores, model, settings, simulator):
                for name, reason in left_out:
                    if (name, reason) not in dropped:  # a run that was cut may have come so far
                        stage.drop(name, reason)
                if row:
                    stage.append(MINED, row)
        progress(count, count)
        if not any(True for _ in stage.rows(MINED)):
            raise InputError("no problem leaves room for an answer", where=model.name, fix="take shorter problems")
        return stage.finish(**yield_of(read_records(out / MINED, Mined)))


def read_tasks(path: Path) -> list[Task]:
    """Verified pairs or a suite's problems, by the file's name.

    Raises:
        InputError: the file is missing or holds something else, or nothing.
    """
    if path.name.startswith("pairs"):
        drafts = [pair.draft for pair in read_records(path, VerifiedPair)]
        tasks = [Task(d.id, d.problem, None, topic_of(d.topic, d.reference_model), d.testbench, d.code) for d in drafts]
    else:
        problems = read_records(path, Problem)
        tasks = [Task(p.id, p.spec, p.interface, p.category, p.bench, p.reference or "") for p in problems]
    if not tasks:
        raise InputError("no problem to mine with", where=path)
    return tasks


def score(verdict: Verdict) -> int:
    """The paper's F of one answer: 0 for wrong syntax, 1 for what compiles, 2 for what is correct."""
    if verdict.passed:
        return 2
    return 0 if verdict.status in _BROKEN else 1


def yield_of(mined: Iterable[Mined]) -> dict[str, Any]:
    """How many tries said something: entries that helped, did harm, or changed nothing."""
    counts = {"helped": 0, "harmed": 0, "same": 0}
    for row in mined:
        better, worse = len(row.better()), len(row.worse())
        counts["helped"] += better
        counts["harmed"] += worse
        counts["same"] += len(row.tried) - better - worse
    tried = sum(counts.values())
    return {"tried": tried, **counts, "yield": round((tried - counts["same"]) / tried, 4) if tried else None}


def agreement(one: Iterable[Mined], other: Iterable[Mined]) -> dict[str, float | int | None]:
    """How far two minings say the same of the (problem, entry) pairs that both tried.

    Returns:
        ``both``: pairs tried in both; ``decided``: of them, those where neither found a tie; ``agree``: of the decided,
        the share with the same sign; ``kappa``: Cohen's, over better, worse and the same, of all that both tried.
    """
    signs = [_signs(one), _signs(other)]
    shared = sorted(signs[0].keys() & signs[1].keys())
    pairs = [(signs[0][key], signs[1][key]) for key in shared]
    decided = [(a, b) for a, b in pairs if a and b]
    same = sum(a == b for a, b in pairs) / len(pairs) if pairs else 0.0
    chance = sum(sum(a == sign for a, _ in pairs) * sum(b == sign for _, b in pairs) for sign in (-1, 0, 1)) / (
        len(pairs) ** 2 or 1
    )
    return {
        "both": len(pairs),
        "decided": len(decided),
        "agree": round(sum(a == b for a, b in decided) / len(decided), 4) if decided else None,
        "kappa": round((same - chance) / (1 - chance), 4) if pairs and chance < 1 else None,
    }


def _signs(mined: Iterable[Mined]) -> dict[tuple[str, str], int]:
    return {
        (row.problem_id, one.entry.id): (one.score > row.without) - (one.score < row.without)
        for row in mined
        for one in row.tried
    }


def _mined(
    tasks: Sequence[Task],
    stores: Sequence[EntryStore],
    model: TextModel,
    settings: MiningSettings,
    simulator: Simulator,
) -> Iterator[tuple[Mined | None, list[tuple[str, str]]]]:
    """For each task what was found, None where it is too long, and (id, reason) of what was left out."""
    tried = _entries_for(tasks, stores, settings)
    asked: list[tuple[Task, Entry | None]] = []
    for task in tasks:
        asked += [(task, None), *((task, entry) for entry in tried[task.id])]
    scores = dict(zip([(task.id, entry.id if entry else "") for task, entry in asked],
                      _mean_scores(asked, model, settings, simulator), strict=True))  # fmt: skip
    for task in tasks:
        without = scores[task.id, ""]
        if without is None:
            yield None, [(task.id, "leaves no room for an answer")]
            continue
        found = [(entry, scores[task.id, entry.id]) for entry in tried[task.id]]
        kept = tuple(Tried(entry=entry, score=value) for entry, value in found if value is not None)
        too_long = [(entry.id, f"leaves no room for an answer to {task.id}") for entry, value in found if value is None]
        yield Mined(problem_id=task.id, query=task.spec, topic=task.topic, without=without, tried=kept), too_long


def _entries_for(
    tasks: Sequence[Task], stores: Sequence[EntryStore], settings: MiningSettings
) -> Mapping[str, list[Entry]]:
    """For each task the entries to try: the nearest, and some by chance, which may help where nobody expects it."""
    retriever = Retriever(*stores, hybrid=True)
    near = retriever.find_many([task.spec for task in tasks], settings.near + 4)
    rows = [np.setdiff1d(np.arange(one.state.rows), one.state.removed) for one in stores]
    chosen: dict[str, list[Entry]] = {}
    for task, found in zip(tasks, near, strict=True):
        rng = random.Random(f"mine {settings.seed} {task.id}")
        drawn = _drawn(rng, stores, rows, settings.chance + 4)
        code = task.code.strip()
        # Each once, although chance may draw what is near.
        fair = list({one.id: one for one in (*found, *drawn) if not code or code not in one.text}.values())
        by_chance = {entry.id for entry in drawn}
        others = [entry for entry in fair[settings.near :] if entry.id in by_chance]
        chosen[task.id] = fair[: settings.near] + others[: settings.chance]
    return chosen


def _drawn(
    rng: random.Random, stores: Sequence[EntryStore], rows: Sequence[NDArray[np.int64]], count: int
) -> list[Entry]:
    """So many entries of all stores by chance; ``rows`` are those of each that are entries."""
    places = rng.sample(range(sum(map(len, rows))), min(sum(map(len, rows)), count))
    found = []
    for place in places:
        for store, some in zip(stores, rows, strict=True):
            if place < len(some):
                found.append(store.entry(int(some[place])))
                break
            place -= len(some)
    return found


def _mean_scores(
    asked: Sequence[tuple[Task, Entry | None]], model: TextModel, settings: MiningSettings, simulator: Simulator
) -> list[float | None]:
    """For each prompt the mean F of its answers; None for one that leaves the model's context no room for them.

    An answer that is cut short would look like harm that an entry does.
    """
    sampling = Sampling(
        n=settings.samples,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed,
        max_new_tokens=settings.max_new_tokens,
    )
    prompts = [user_text(task.spec, task.header, context=[entry.text] if entry else []) for task, entry in asked]
    stated = [stated_interface(task.spec, task.header) for task, _ in asked]
    room = [room_left(model, text, one.start, sampling) for text, one in zip(prompts, stated, strict=True)]
    fit = [place for place, left in enumerate(room) if left is None or left >= 0]
    found = complete_each(
        model,
        [prompts[place] for place in fit],
        sampling,
        starts=[stated[place].start for place in fit],
        stop=lambda number, text: answer_complete(text, stated[fit[number]].name),
        seeded_by=[user_text(asked[place][0].spec, asked[place][0].header) for place in fit],
    )
    answers: list[Sequence[str]] = [()] * len(asked)
    for place, one in zip(fit, found, strict=True):
        answers[place] = () if isinstance(one, ContextTooLong) else one
    jobs = [
        (extract_code(raw, header=task.header, module=one.name), task.bench)
        for (task, _), one, raws in zip(asked, stated, answers, strict=True)
        for raw in raws
    ]
    verdicts = iter(simulate_many(simulator, jobs))
    return [sum(score(next(verdicts)) for _ in raws) / len(raws) if raws else None for raws in answers]
