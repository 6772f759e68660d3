"""What a teacher's answers come to: which requests are settled, and the drafts in the order of the requests.

Reads ``raw.jsonl``, where every answer stands as it came; writes ``drafts.jsonl`` and ``dropped.jsonl``. All that is
known of a run follows from that one file, so that no end of a run, however sudden, can leave two that disagree.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autovcoder.errors import StoreError
from autovcoder.records import CircuitType, Draft, Level, content_id
from autovcoder.store import DROPPED, to_json_line, write_jsonl
from data_pipeline.budget import Tokens
from data_pipeline.chat_client import error_text, read_completion
from data_pipeline.teacher_answer import BadAnswer, read_answer

RAW, DRAFTS = "raw.jsonl", "drafts.jsonl"
SAME = "the same draft as that of an earlier request"


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


@dataclass
class Journal:
    """What ``raw.jsonl`` says.

    Attributes:
        drafts: request's index to where the row of its draft begins, in bytes; ``dropped``: to the reason.
        asked, bad: how often each was asked, and how many of its answers were no draft.
        faults: what went wrong to how often; ``bad_reasons``: the same for answers that were no draft.
        answered: the server has answered a request. What a server that never did refused counts as not asked.
        refusal: what the server said when it last refused a request.
    """

    drafts: dict[int, int] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)
    asked: Counter[int] = field(default_factory=Counter)
    bad: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    bad_reasons: Counter[str] = field(default_factory=Counter)
    spent: Tokens = field(default_factory=Tokens)
    answered: bool = False
    refusal: str = ""

    @property
    def settled(self) -> set[int]:
        return self.drafts.keys() | self.dropped.keys()


def read_journal(path: Path, attempts: int) -> Journal:
    """The journal in ``raw.jsonl``, empty where there is no such file.

    Args:
        attempts: how many answers that are no draft settle a request.
    """
    journal, refused = Journal(), {}
    for start, row in _rows(path):
        index, outcome, reason = row["index"], row["outcome"], row["reason"]
        journal.asked[index] += 1
        journal.spent += Tokens(row["usage"]["input"], row["usage"]["output"])
        if outcome == "draft":
            journal.drafts.setdefault(index, start)
        elif outcome == "bad answer":
            journal.bad[index] += 1
            journal.bad_reasons[reason] += 1
            if journal.bad[index] >= attempts:
                journal.dropped[index] = reason
        elif outcome == "refused":
            refused[index] = reason
            journal.refusal = error_text(row["body"])
        elif outcome == "given up":
            journal.dropped[index] = f"no answer: {reason}"
        if outcome in ("fault", "given up", "refused", "ended"):
            journal.faults[reason] += 1
        journal.answered = journal.answered or outcome in ("draft", "bad answer")
    if journal.answered:
        journal.dropped |= refused
    return journal


def write_results(folder: Path, stage: str, journal: Journal, plan: Sequence[Request], teacher: str) -> dict[str, int]:
    """Write the drafts and the drops in the order of the requests; returns how many there are of each.

    Raises:
        StoreError: they cannot be written.
    """
    dropped = dict(journal.dropped)
    # A file of this name that a killed run leaves behind is removed by the next one.
    temporary, count = folder / f".{DRAFTS}.partial", 0
    seen: set[str] = set()
    try:
        with temporary.open("w", encoding="utf-8") as file:
            for index in sorted(journal.drafts):
                draft = _draft_at(folder / RAW, journal.drafts[index], plan[index], teacher)
                if draft.id in seen:
                    dropped[index] = SAME
                    continue
                seen.add(draft.id)
                file.write(to_json_line(draft))
                count += 1
        temporary.replace(folder / DRAFTS)
    except OSError as error:
        raise StoreError("cannot write", where=folder / DRAFTS, fix=error.strerror or str(error)) from None
    rows = [{"id": plan[index].id, "stage": stage, "reason": dropped[index]} for index in sorted(dropped)]
    write_jsonl(folder / DROPPED, rows)
    return {"drafts": count, "dropped": len(rows)}


def _draft_at(path: Path, start: int, request: Request, teacher: str) -> Draft:
    with path.open("rb") as file:
        file.seek(start)
        completion = read_completion(json.loads(file.readline())["body"])
    try:
        text = completion.content if completion else ""
        return read_answer(text, request.topic, request.level, request.circuit_type, teacher)
    except BadAnswer as error:
        raise StoreError("an answer is not what it was", where=path, fix=f"delete the folder ({error})") from None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row, and where it begins."""
    start = 0
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            for line in file:
                yield start, json.loads(line)
                start += len(line)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError("cannot read the answers", where=path, fix=str(error)) from None
