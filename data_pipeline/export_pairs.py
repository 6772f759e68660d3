"""Pairs as other trainers read them, in the words in which training here and every question to a model are put.

Reads ``pairs.jsonl``; writes one file of TRL, LLaMA-Factory or Axolotl, and for LLaMA-Factory its entry in
``dataset_info.json``. Forms as documented by TRL ("Dataset formats and types": prompt-completion), LLaMA-Factory
(``data/README.md``: alpaca) and Axolotl ("Conversation": ``chat_template``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.files import read_records, write_atomic, write_jsonl
from autovcoder.prompt import SYSTEM, chat, plain
from autovcoder.records import VerifiedPair
from autovcoder.store import read_manifest

DATASET_INFO = "dataset_info.json"
_LLAMA_FACTORY = "llama-factory"


def export_pairs(pairs: Path, format: str, out: Path) -> int:
    """Write the pairs of a file, or of a finished stage folder, to ``out``; returns how many.

    ``out`` gets JSON Lines, for LLaMA-Factory one JSON list. There the data set has the name of the file without its
    ending, and an entry in the ``dataset_info.json`` beside it, whose other entries stay.

    Raises:
        InputError: the format is unknown, there are no pairs, a row or ``dataset_info.json`` cannot be read, or
            LLaMA-Factory would not read ``out``.
        StoreError: the stage did not finish, or a file cannot be written.
    """
    if format not in FORMATS:
        raise InputError("no such format", where=format, fix=f"one of {', '.join(FORMATS)}")
    if format == _LLAMA_FACTORY and (out.suffix not in (".json", ".jsonl") or out.name == DATASET_INFO):
        raise InputError(
            "not a name for a data set of LLaMA-Factory", where=out, fix=f"end it in .json; {DATASET_INFO} is its list"
        )
    rows = [FORMATS[format](pair) for pair in _read(Path(pairs))]
    if not rows:
        raise InputError("there are no pairs", where=pairs)
    if format != _LLAMA_FACTORY:
        return write_jsonl(out, rows)
    info = _dataset_info(out)
    write_atomic(out, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    write_atomic(out.with_name(DATASET_INFO), json.dumps(info, ensure_ascii=False, indent=2) + "\n")
    return len(rows)


def _read(pairs: Path) -> Iterator[VerifiedPair]:
    if pairs.is_dir():
        read_manifest(pairs)
        pairs = pairs / "pairs.jsonl"
    return read_records(pairs, VerifiedPair)


def _fenced(code: str) -> str:
    """The answer as the system message asks for it."""
    return f"```verilog\n{code.strip()}\n```"


def _trl(pair: VerifiedPair) -> dict[str, Any]:
    answer = {"role": "assistant", "content": _fenced(pair.draft.code)}
    return {"prompt": chat(pair.draft.problem), "completion": [answer]}


def _trl_plain(pair: VerifiedPair) -> dict[str, Any]:
    """For models without a chat template: the prompt ends with the opened fence. TRL adds the end of text."""
    return {"prompt": plain(pair.draft.problem), "completion": f"{pair.draft.code.rstrip()}\n```"}


def _llama_factory(pair: VerifiedPair) -> dict[str, Any]:
    user = chat(pair.draft.problem)[-1]["content"]
    return {"instruction": user, "input": "", "output": _fenced(pair.draft.code), "system": SYSTEM}


def _axolotl(pair: VerifiedPair) -> dict[str, Any]:
    return {"messages": [*chat(pair.draft.problem), {"role": "assistant", "content": _fenced(pair.draft.code)}]}


FORMATS: dict[str, Callable[[VerifiedPair], dict[str, Any]]] = {
    "trl": _trl,
    "trl-plain": _trl_plain,
    _LLAMA_FACTORY: _llama_factory,
    "axolotl": _axolotl,
}


def _dataset_info(out: Path) -> dict[str, Any]:
    """What LLaMA-Factory must be told of the file, among what it was told of others."""
    path = out.with_name(DATASET_INFO)
    try:
        info = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise InputError("cannot read the descriptions of data sets", where=path, fix=str(error)) from None
    if not isinstance(info, dict):
        raise InputError("not descriptions of data sets", where=path, fix="move the file away")
    columns = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    return {**info, out.stem: {"file_name": out.name, "formatting": "alpaca", "columns": columns}}
