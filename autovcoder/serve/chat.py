"""A result in the form of OpenAI's chat completions, whole or as a stream of events.

Reads a result; writes JSON-like data. The answer is the chosen design's code in a fence; what only AutoVCoder knows
stands in a field of its own, ``autovcoder``.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

from autovcoder.candidates import Candidate
from autovcoder.generate import Result
from autovcoder.serve.service import Made

_FENCES = re.compile("`{3,}")


def completion(made: Made, n: int) -> dict[str, Any]:
    """A chat completion with ``n`` choices: the chosen design first, then the others, accepted ones before the rest."""
    result = made.result
    choices = [
        {
            "index": place,
            "message": {"role": "assistant", "content": answer_text(one), "refusal": None},
            "finish_reason": "stop" if one.complete else "length",
            "logprobs": None,
        }
        for place, one in enumerate(_ordered(result)[:n])
    ]
    return {
        **_head("chat.completion", result),
        "choices": choices,
        "usage": {
            "prompt_tokens": made.asked_tokens,
            "completion_tokens": made.answered_tokens,
            "total_tokens": made.asked_tokens + made.answered_tokens,
        },
        "autovcoder": told(made),
    }


def events(whole: dict[str, Any], *, usage: bool) -> Iterator[str]:
    """The same as server-sent events: each answer's lines, its end, and at the end of all what is our own."""
    head = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    for choice in whole["choices"]:
        pieces = [{"role": "assistant", "content": ""}]
        pieces += [{"content": line} for line in choice["message"]["content"].splitlines(keepends=True)]
        for delta in pieces:
            yield _event({**head, "choices": [_piece(choice["index"], delta, None)]})
    last = [_piece(choice["index"], {}, choice["finish_reason"]) for choice in whole["choices"]]
    for place, one in enumerate(last, start=1):
        more = {"autovcoder": whole["autovcoder"]} if place == len(last) else {}
        yield _event({**head, "choices": [one], **more})
    if usage:
        yield _event({**head, "choices": [], "usage": whole["usage"]})
    yield "data: [DONE]\n\n"


def answer_text(candidate: Candidate) -> str:
    """A design in a fence that nothing in it can close; the answer as it came where there is no design in it."""
    if candidate.code is None:
        return candidate.raw
    longest = max((len(found) for found in _FENCES.findall(candidate.code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}verilog\n{candidate.code.rstrip()}\n{fence}"


def told(made: Made) -> dict[str, Any]:
    """What was found out about the answers, the chosen one first."""
    result, chosen, selection = made.result, made.result.chosen, made.result.selection
    return {
        "accepted": result.accepted,
        "compiled": chosen.compiled.status,
        "simulator": chosen.compiled.simulator,
        "diagnostics": [one.model_dump(exclude_none=True) for one in chosen.compiled.diagnostics],
        "stated": chosen.agreement.model_dump(),
        "mended": list(chosen.mended.changes) if chosen.mended else [],
        "confidence": selection.confidence if selection else None,
        "agreeing": selection.agreeing if selection else None,
        "candidates": len(result.candidates),
        "accepted_candidates": sum(one.accepted for one in result.candidates),
        "context_ids": list(result.context.ids),
        "sampling": result.sampling.model_dump(),
        "seed": result.sampling.seed,
        "seconds": made.seconds,
    }


def _ordered(result: Result) -> list[Candidate]:
    others = [one for index, one in enumerate(result.candidates) if index != result.best]
    return [result.chosen, *sorted(others, key=lambda one: not one.accepted)]


def _head(kind: str, result: Result) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": result.model,
    }


def _piece(index: int, delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish, "logprobs": None}


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"
