"""Drafts from a file: our own, or those that the authors of AutoVCoder released (arXiv 2407.18333).

Reads JSON Lines, gzipped or not, or one JSON list; writes nothing. A row that is neither kind of draft comes back with
what is wrong with it, so that it can be dropped by name. A released draft keeps its number in its id.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autovcoder.errors import InputError
from autovcoder.records import Bench, CircuitType, Draft, Level, PassRule
from hdl_sim.slang import module_nodes, parse, text_is_bounded
from hdl_sim.tokens import plain_lines, tokens

TEACHER = "autovcoder-released"
DRAFTS = "drafts.jsonl"
_PASS_LINE = r"Test is OK!"  # noqa: S105 - no password
_TEXTS = ("problem", "verilog_code", "verilog_testbench")
_LEVELS: dict[str, Level] = {"easy": "easy", "medium": "medium", "hard": "hard"}
# What their testbenches say of a failure. One that says so and ends with the pass line all the same has not passed.
_FAILURE = re.compile(r"\bfail(?:s|ed|ure)?\b|\bmismatch\b|^\W*error\b(?!\s*=)", re.IGNORECASE)
# "Passed: %0d, Failed: %0d" says how many. Under a condition it says of a failure all the same.
_COUNTS = re.compile(r"\b(?:fail(?:s|ed|ures?)?|mismatch(?:es)?|errors?)(?: count)? *[:=]? *%0?d", re.IGNORECASE)
_INVENTED = re.compile(r"row \d+")
_PRINTS = frozenset(["$display", "$write", "$strobe"])


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file of drafts.

    Attributes:
        id: the draft's, or the row's number where there is none. ``draft``: None where the row is none.
        fault: why it is none. ``marked_correct``: what the file says of the design's function, where it says anything.
    """

    id: str
    draft: Draft | None
    fault: str = ""
    marked_correct: bool | None = None


def drafts_file(path: Path) -> Path:
    """The file itself, or a stage folder's drafts.

    Raises:
        InputError: there is none.
    """
    file = Path(path) / DRAFTS if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise InputError("no drafts", where=file, fix=f"give a file of drafts or a folder with {DRAFTS}")
    return file


def read_drafts(path: Path) -> Iterator[Row]:
    """The rows of a file, in its order.

    Raises:
        InputError: the file cannot be read.
    """
    seen: set[str] = set()
    for number, value in enumerate(_values(path), start=1):
        row = _row(value, f"row {number}")
        if row.id in seen:
            row = Row(f"row {number}", None, f"the id of an earlier row: {row.id[:80]}")
        seen.add(row.id)
        yield row


def _values(path: Path) -> Iterator[Any]:
    """The rows as JSON values, or as an exception where one is no JSON."""
    name = path.name.removesuffix(".gz")
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            if name.endswith(".json") and (text := file.read()).lstrip().startswith("["):
                yield from json.loads(text)
                return
            if name.endswith(".json"):
                file.seek(0)
            for line in file:
                if line.strip():
                    yield _parsed(line)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(
            "cannot read the drafts", where=path, fix=getattr(error, "strerror", None) or str(error)
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON", where=path, fix=str(error)) from None


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return error


def _row(value: Any, place: str) -> Row:
    if isinstance(value, Exception):
        return Row(place, None, "not JSON")
    if not isinstance(value, dict):
        return Row(place, None, "not a JSON object")
    if not _is_text(value):
        return Row(place, None, "not Unicode text, or nested too deep")
    if "verilog_code" in value:
        return _released(value, place)
    try:
        draft = Draft.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        return Row(place, None, f"no draft: {'.'.join(map(str, first['loc']))[:60]}: {first['msg'][:80]}")
    if _INVENTED.fullmatch(draft.id) and draft.id != place:
        return Row(place, None, f"no draft: an id that stands for another row: {draft.id[:40]}")
    return Row(draft.id, draft)


def _is_text(value: Any) -> bool:
    """Whether all of it can be written: JSON has escapes for halves of surrogate pairs, which UTF-8 has not."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def _released(value: dict[str, Any], place: str) -> Row:
    """A released draft as ours. Its circuit's type and level are words of a language model, with its layout."""
    number = value.get("id")
    plain = isinstance(number, (int, str)) and re.fullmatch(r"[\w.-]{1,40}", str(number))
    name = f"autovcoder-{number}" if plain else place
    flag = value.get("functionality_result")
    marked = flag if isinstance(flag, bool) else None
    missing = [key for key in _TEXTS if not isinstance(value.get(key), str) or not value[key].strip()]
    if missing:
        return Row(name, None, f"no draft: no text in {', '.join(missing)}", marked)
    said = str(value.get("circuit_type", "")).lower()
    kinds: list[CircuitType] = [k for k in ("combinational", "sequential") if k in said]
    if len(kinds) != 1:
        return Row(name, None, "no draft: its circuit_type is neither combinational nor sequential", marked)
    draft = Draft(
        id=name,
        problem=value["problem"].strip(),
        circuit_type=kinds[0],
        level=_LEVELS.get(str(value.get("level")).strip().lower(), "medium"),
        topic=" ".join(str(value.get("problem_type", "")).split())[:100],
        code=_ended(value["verilog_code"]),
        testbench=_bench(_ended(value["verilog_testbench"])),
        reference_model=value["python_code"] if isinstance(value.get("python_code"), str) else "",
        teacher=TEACHER,
    )
    return Row(name, draft, "", marked)


def _ended(text: str) -> str:
    return text.strip() + "\n"


def _bench(text: str) -> Bench:
    return Bench(
        kind="verilog",
        sources={"tb.v": _with_errors(text)},
        top=_top(text),
        pass_rule=PassRule(kind="pass_line", pattern=_PASS_LINE, needs_finish="$finish" in text),
    )


def _with_errors(text: str) -> str:
    """The testbench with ``$error`` for ``$display`` where it prints a failure: the rule counts it whatever follows."""
    text = plain_lines(text)
    found = list(tokens(text))
    prints = [
        (task, words.text[1:-1])
        for task, bracket, words in zip(found, found[1:], found[2:], strict=False)
        if task.text in _PRINTS and bracket.text == "(" and words.kind == "string" and _FAILURE.search(words.text[1:-1])
    ]
    summaries = [task.start for task, words in prints if _COUNTS.search(words)]
    always = _unconditional(text, summaries) if summaries else frozenset()
    for task, _ in reversed(prints):
        if task.start not in always:
            text = text[: task.start] + "$error" + text[task.end :]
    return text


def _unconditional(text: str, places: Sequence[int]) -> frozenset[int]:
    """Which of the places lie in no ``if`` or ``case``; none of a text that cannot be parsed within bounds."""
    if not text_is_bounded(text):
        return frozenset()
    from pyslang import syntax

    kinds = (syntax.SyntaxKind.ConditionalStatement, syntax.SyntaxKind.CaseStatement)
    found: list[Any] = []
    try:
        modules = module_nodes(parse(text))
    except RuntimeError:  # nested too deep
        return frozenset()
    for node in modules:
        node.visit(lookup_table=dict.fromkeys(kinds, found.append))
    ranges = [(node.sourceRange.start.offset, node.sourceRange.end.offset) for node in found]
    offsets = {place: len(text[:place].encode()) for place in places}
    return frozenset(place for place, at in offsets.items() if not any(start <= at < end for start, end in ranges))


def _top(text: str) -> str:
    """The first module that stands nowhere else in the text."""
    names = re.findall(r"^[ \t]*module\s+([A-Za-z_]\w*)", text, re.MULTILINE)
    alone = [name for name in names if len(re.findall(rf"^\s*{name}\b", text, re.MULTILINE)) == 0]
    return next(iter(alone or names), "testbench")
