"""What a teacher's answers come to: which requests are settled, and the drafts in the order of the requests.

Reads ``raw.jsonl``, where every answer stands as it came; writes ``drafts.jsonl`` and ``dropped.jsonl``. All that is
known of a run follows from that one file, so that no end of a run, however sudden, can leave two that disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autovcoder.errors import StoreError
from autovcoder.files import to_json_line, write_jsonl, writing
from autovcoder.records import CircuitType, Draft, Level, content_id
from autovcoder.store import DROPPED
from data_pipeline.budget import Tokens
from data_pipeline.chat_client import read_completion
from data_pipeline.teacher_answer import judge_answer

RAW, DRAFTS = "raw.jsonl", "drafts.jsonl"
SAME = "the same draft as that of an earlier request"
HOPELESS = 20
"""So many answers without a draft among them, and none before: the model or what it is asked is at fault."""
Outcome = Literal["answer", "fault", "set aside", "refused", "form refused", "ended"]
_Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Request:
    """What a teacher is asked for; ``index`` is its place in the plan."""

    index: int
    topic: str
    level: Level
    circuit_type: CircuitType
    seed: int

    @property
    def id(self) -> str:
        return content_id("request", self.topic, self.level, self.circuit_type, self.seed)


class Usage(BaseModel):
    """Tokens of a request: its cost, or, before there is an answer, the most that it can cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: _Count
    output: _Count
    counted_by_server: bool = False


class Row(BaseModel):
    """A row of ``raw.jsonl``: that a request is about to be sent, what came of it, or that it is given up.

    Attributes:
        index: of the request in the plan. ``attempt``: how often it was asked before.
        outcome: ``answer`` where the body is a chat completion; whether that is a draft follows from the body alone.
        reason: of a fault, a refusal or a drop. ``form``: what was asked of the answer's form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: _Count
    outcome: Outcome | Literal["asked", "dropped"]
    reason: str = ""
    usage: Usage | None = None
    topic: str = ""
    level: str = ""
    circuit_type: str = ""
    prompt_sha256: str = ""
    attempt: _Count = 0
    form: str = ""
    status: int | None = None
    finish_reason: str | None = None
    seconds: float = 0.0
    body: str = ""


@dataclass
class Journal:
    """What ``raw.jsonl`` says.

    Attributes:
        drafts: request's index to where the row of its draft begins, in bytes; ``dropped``: to the reason.
        asked, bad: how often each was asked, and how many of its answers were no draft.
        set_aside: those that exhausted the patience with faults once.
        faults: what went wrong to how often; ``bad_reasons``: the same for answers that were no draft.
    """

    drafts: dict[int, int] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)
    asked: Counter[int] = field(default_factory=Counter)
    bad: Counter[int] = field(default_factory=Counter)
    set_aside: set[int] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)
    bad_reasons: Counter[str] = field(default_factory=Counter)
    spent: Tokens = field(default_factory=Tokens)

    @property
    def settled(self) -> set[int]:
        return self.drafts.keys() | self.dropped.keys()


def read_journal(path: Path, plan: Sequence[Request], teacher: str, attempts: int) -> Journal:
    """The journal in ``raw.jsonl``, empty where there is no such file; answers are judged anew.

    A request is dropped by ``attempts`` answers that are no draft, or by a row that says so. The first `HOPELESS`
    answers drop nothing where none is a draft: the run ended with them, and what was wrong may have been put right.
    Rows beyond the plan count as spent, no more.

    Raises:
        StoreError: the file cannot be read, or is not one of ours.
    """
    journal, reasons = Journal(), dict[int, str]()
    under_way: dict[int, Usage] = {}
    for start, row in _rows(path):
        index, usage = row.index, row.usage or Usage(input=0, output=0)
        if row.outcome == "asked":
            # One of an earlier run that still stands here was cut off, and may have cost all that it could.
            journal.spent += _tokens(under_way.pop(index, None))
            under_way[index] = usage
            journal.asked[index] += 1
            continue
        under_way.pop(index, None)
        journal.spent += _tokens(usage)
        if index >= len(plan):
            continue
        if row.outcome == "answer":
            judged = _judge(row, plan[index], teacher)
            if isinstance(judged, Draft):
                journal.drafts.setdefault(index, start)
                continue
            reasons[index] = judged
            journal.bad[index] += 1
            journal.bad_reasons[judged] += 1
            if not journal.drafts and journal.bad.total() >= HOPELESS:
                journal.bad.clear()
        elif row.outcome == "dropped":
            journal.dropped[index] = row.reason
        elif row.outcome != "form refused":
            journal.faults[row.reason] += 1
        if row.outcome == "set aside":
            journal.set_aside.add(index)
    for usage in under_way.values():
        journal.spent += _tokens(usage)
    journal.dropped |= {index: reasons[index] for index, count in journal.bad.items() if count >= attempts}
    journal.dropped = {index: why for index, why in journal.dropped.items() if index not in journal.drafts}
    return journal


def write_results(folder: Path, stage: str, journal: Journal, plan: Sequence[Request], teacher: str) -> Counter[str]:
    """Write the drafts and the drops in the order of the requests; returns how often each reason dropped one.

    Raises:
        StoreError: they cannot be written.
    """
    dropped = dict(journal.dropped)
    # A file of this name that a killed run leaves behind is removed by the next one.
    temporary = folder / f".{DRAFTS}.partial"
    seen: set[str] = set()
    with writing(folder / DRAFTS):
        with temporary.open("w", encoding="utf-8") as file:
            for index in sorted(journal.drafts):
                draft = _judge(_row_at(folder / RAW, journal.drafts[index]), plan[index], teacher)
                if not isinstance(draft, Draft):
                    raise StoreError("the answers change while they are read", where=folder / RAW)
                if draft.id in seen:
                    dropped[index] = SAME
                    continue
                seen.add(draft.id)
                file.write(to_json_line(draft))
        temporary.replace(folder / DRAFTS)
    rows = [{"id": plan[index].id, "stage": stage, "reason": dropped[index]} for index in sorted(dropped)]
    write_jsonl(folder / DROPPED, rows)
    return Counter(dropped.values())


def _judge(row: Row, request: Request, teacher: str) -> Draft | str:
    completion = read_completion(row.body)
    if completion is None:
        return "the answer is no chat completion"
    asked = request.topic, request.level, request.circuit_type
    return judge_answer(completion.content, completion.finish_reason, *asked, teacher)


def _row_at(path: Path, start: int) -> Row:
    with path.open("rb") as file:
        file.seek(start)
        return Row.model_validate_json(file.readline())


def _tokens(usage: Usage | None) -> Tokens:
    return Tokens(usage.input, usage.output) if usage else Tokens()


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Each row, and where it begins."""
    start, number = 0, 1
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            for line in file:
                yield start, Row.model_validate_json(line)
                start, number = start + len(line), number + 1
    except OSError as error:
        raise StoreError("cannot read the answers", where=path, fix=error.strerror or str(error)) from None
    except ValidationError as error:
        fix = f"{error.errors()[0]['msg']}; correct the row or remove it"
        raise StoreError("not a row of a teacher's answers", where=f"{path}, row {number}", fix=fix) from None
