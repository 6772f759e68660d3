"""The seam to teachers, who write a problem with its solution, testbench and model; and the stage that asks a model.

Reads a taxonomy of topics and a server's answers; writes ``raw.jsonl`` (every answer as it came, at once), and when a
run ends ``drafts.jsonl`` (Draft, in the order of the requests), ``dropped.jsonl`` and the manifest.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, JsonValue, model_validator

from autovcoder.errors import InputError, ModelError
from autovcoder.files import write_atomic
from autovcoder.records import CircuitType, Draft, Level, content_id
from autovcoder.store import MANIFEST, STARTED, Manifest, Stage
from data_pipeline.budget import Budget, at_most
from data_pipeline.chat_client import ChatServer, Patience
from data_pipeline.draft_journal import RAW, Journal, Request, read_journal, write_results
from data_pipeline.drafting import Drafting
from data_pipeline.llm_teacher import Begun, LlmTeacher, Record
from data_pipeline.taxonomy import CIRCUIT_TYPES, LEVELS, TAXONOMY, Topic, load_topics
from data_pipeline.teacher_prompt import teacher_prompt

STAGE = "data.drafts"
# What changes neither the words asked nor what is made of an answer; a run may go on under another. The plan for a
# greater count begins with that for a smaller one.
_FREE = {"server", "topics_file", "concurrency", "retries", "backoff_s", "longest_wait_s", "timeout_s", "count"}
_FREE |= {"budget_tokens", "budget_usd", "usd_per_million_input", "usd_per_million_output", "attempts", "max_tokens"}
_OURS = ("model", "messages", "stream", "n")
_LEFT_OUT = ("seed", "response_format")


class Teacher(Protocol):
    """Writes drafts."""

    @property
    def name(self) -> str:
        """What its drafts are filed under."""

    def draft(self, topic: str, level: Level, circuit_type: CircuitType, seed: int) -> Draft:
        """A problem on the topic, with what its writer believes to solve and to test it."""


class DraftSettings(Patience):
    """``count`` drafts are asked for, from ``model`` at ``server``.

    Attributes:
        topics_file: a taxonomy of one's own, in the form of ``taxonomy.yaml``.
        concurrency: how many requests are open at once, one that waits to be asked again among them.
        max_tokens, temperature: of an answer; ``request``: what else goes into every request (``top_p``,
            ``reasoning_effort``), and wins; a key that is null stays out of it, for servers that do not know it (also
            ``seed``, ``response_format``, ``max_tokens``, ``temperature``).
        budget_tokens, budget_usd: the most that this folder's requests may cost in all, prompts and answers together.
        usd_per_million_input, usd_per_million_output: the prices; without them no money is counted.
    """

    model: Annotated[str, Field(min_length=1)]
    server: str
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    seed: int = 0
    levels: Annotated[tuple[Level, ...], Field(min_length=1)] = LEVELS
    topics_file: Path | None = None
    concurrency: Annotated[int, Field(ge=1, le=512)] = 8
    max_tokens: Annotated[int, Field(ge=1)] = 8192
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.8
    request: dict[str, JsonValue] = Field(default_factory=dict)
    budget_tokens: Annotated[int | None, Field(ge=1)] = None
    budget_usd: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    usd_per_million_input: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    usd_per_million_output: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        prices = (self.usd_per_million_input, self.usd_per_million_output)
        if None in prices and (self.budget_usd is not None or prices != (None, None)):
            raise ValueError("money needs both usd_per_million_input and usd_per_million_output")
        if ours := [key for key in _OURS if key in self.request]:
            raise ValueError(f"request: '{ours[0]}' is set by the stage itself")
        if ours := [key for key in _LEFT_OUT if self.request.get(key) is not None]:
            raise ValueError(f"request: '{ours[0]}' is set by the stage itself; null leaves it out")
        try:
            json.dumps(self.request, allow_nan=False)
        except ValueError:
            raise ValueError("request: a number that is not finite cannot be sent") from None
        if (self.budget_tokens or self.budget_usd) and not at_most(self.as_request()).output:
            raise ValueError("a budget needs max_tokens, or max_completion_tokens in request")
        return self

    def as_request(self) -> dict[str, Any]:
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, **self.request}

    def fixed(self) -> dict[str, Any]:
        """What must stay as it is while a folder's work goes on, JSON-like."""
        request = {k: v for k, v in self.request.items() if v is not None and k != "max_completion_tokens"}
        return {**self.model_dump(mode="json", exclude=_FREE), "request": request}


@dataclass(frozen=True)
class Progress:
    """How far a run is; ``usd`` is None where no prices were given, ``note`` says what it waits for, if anything."""

    done: int
    count: int
    tokens: int
    usd: float | None
    note: str = ""


def make_plan(topics: Sequence[Topic], settings: DraftSettings) -> list[Request]:
    """The requests: each topic once, in a drawn order, before any comes again.

    Raises:
        InputError: no topic is for any of the levels.
    """
    chosen = [topic for topic in topics if set(topic.levels) & set(settings.levels)]
    if not chosen:
        raise InputError("no topic is for these levels", where=", ".join(settings.levels), fix="give another --levels")
    plan: list[Request] = []
    while len(plan) < settings.count:
        turn = chosen.copy()
        random.Random(f"topics {settings.seed} {len(plan)}").shuffle(turn)
        for topic in turn[: settings.count - len(plan)]:
            rng = random.Random(f"request {settings.seed} {len(plan)}")
            level = rng.choice([level for level in topic.levels if level in settings.levels])
            seed = settings.seed * 1_000_000 + len(plan)
            plan.append(Request(len(plan), topic.name, level, rng.choice(topic.circuit_types), seed))
    return plan


def make_drafts(out: Path, settings: DraftSettings, tell: Callable[[Progress], None] = lambda _: None) -> Manifest:
    """Ask for what is missing, until all is settled or the budget is reached.

    A run that was interrupted goes on with the requests that are not settled; one that ended at its budget does so too,
    and ends where it is when the budget is no greater. One that is complete goes on when ``count`` is greater.

    Raises:
        StoreError: the folder holds another run's work, or cannot be written. ModelError: the server cannot be used.
        ConfigError, InputError: the topics cannot be used. Whatever was received until then is kept.
    """
    topics = settings.topics_file or TAXONOMY
    plan = make_plan(load_topics(topics), settings)
    server = ChatServer(settings.server, timeout_s=settings.timeout_s)
    config = settings.fixed()
    # As many seeds as show all that a seed can draw.
    shown = [teacher_prompt("", level, kind, seed) for level in LEVELS for kind in CIRCUIT_TYPES for seed in range(20)]

    def open_stage() -> Stage:
        versions = {"prompts": content_id(shown)[:16]}
        return Stage(out, STAGE, config=config, inputs={"topics": topics}, seed=settings.seed, versions=versions)

    with open_stage() as stage:
        if stage.manifest is None:
            return _ask_for_missing(stage, settings, plan, server, tell)
        manifest = stage.manifest
        if not manifest.facts["unasked"] and settings.count <= manifest.facts["requests"]:
            return manifest
    with _reopened(out, manifest, open_stage) as stage:
        return _ask_for_missing(stage, settings, plan, server, tell)


def _reopened(out: Path, manifest: Manifest, open_stage: Callable[[], Stage]) -> Stage:
    """The folder of a run that ended, as if that had been interrupted."""
    started = manifest.model_dump_json(include={"stage", "config", "inputs", "seed", "versions"}, indent=2)
    write_atomic(out / STARTED, started + "\n")
    (out / MANIFEST).unlink()
    try:
        return open_stage()
    except BaseException:
        # Under other versions the work is not continued, but what there is stays usable.
        write_atomic(out / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        (out / STARTED).unlink()
        raise


def _ask_for_missing(
    stage: Stage, settings: DraftSettings, plan: list[Request], server: ChatServer, tell: Callable[[Progress], None]
) -> Manifest:
    path = stage.folder / RAW
    before = read_journal(path, plan, settings.model, settings.attempts)
    prices = (settings.usd_per_million_input or 0.0, settings.usd_per_million_output or 0.0)
    budget = Budget(settings.budget_tokens, settings.budget_usd, *prices, spent=before.spent)
    # Those that failed before come last: others show first whether it is the server that fails.
    waiting = [request for request in plan if request.index not in before.settled]
    waiting.sort(key=lambda request: request.index in before.set_aside)
    known = plan[next(iter(before.drafts))] if before.drafts else None

    def open_teacher(record: Record, note: Callable[[str], None]) -> LlmTeacher:
        begun = {
            one.seed: Begun(before.asked[one.index], before.bad[one.index], one.index in before.set_aside)
            for one in plan
        }
        hopeless = None if before.drafts else before.bad.total()
        return LlmTeacher(
            server,
            settings.model,
            settings.as_request(),
            settings,
            budget,
            record,
            tell=note,
            begun=begun,
            hopeless=hopeless,
        )

    def say(done: int, note: str) -> None:
        spent = budget.spent
        usd = None if settings.usd_per_million_input is None else budget.price(spent)
        tell(Progress(len(plan) - len(waiting) + done, len(plan), spent.input + spent.output, usd, note))

    drafting = Drafting(stage, waiting, known, settings.concurrency, open_teacher)
    try:
        drafting.run(say)
    except (ModelError, KeyboardInterrupt):
        if path.exists():
            journal = read_journal(path, plan, settings.model, settings.attempts)
            write_results(stage.folder, STAGE, journal, plan, settings.model)
        raise
    journal = read_journal(path, plan, settings.model, settings.attempts)
    stage.start()
    reasons = write_results(stage.folder, STAGE, journal, plan, settings.model)
    return stage.finish(**_facts(settings, server, journal, reasons, budget))


def _facts(
    settings: DraftSettings, server: ChatServer, journal: Journal, reasons: Counter[str], budget: Budget
) -> dict[str, Any]:
    priced = settings.usd_per_million_input is not None
    missing = settings.count - len(journal.settled)
    return {
        "server": server.name,
        "requests": settings.count,
        "drafts": settings.count - missing - reasons.total(),
        "dropped": reasons.total(),
        "dropped_because": dict(reasons.most_common()),
        "unasked": missing,
        "stopped_by": "budget" if missing else None,
        "asked": journal.asked.total(),
        "asked_again": journal.asked.total() - len(journal.asked),
        "faults": dict(sorted(journal.faults.items())),
        "bad_answers": dict(sorted(journal.bad_reasons.items())),
        "tokens": {"input": journal.spent.input, "output": journal.spent.output},
        "usd": round(budget.price(journal.spent), 6) if priced else None,
        "budget_tokens": settings.budget_tokens,
        "budget_usd": settings.budget_usd,
    }
