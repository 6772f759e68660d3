"""A model asked for many answers at once, although it may be unable to read some of the prompts.

Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from autovcoder import prompt
from autovcoder.errors import ContextTooLong
from autovcoder.models import Stop, TextModel
from autovcoder.records import Sampling

ANSWER = 512
"""Tokens of a model's context that are kept for an answer, or as many as it may have where that is less."""
_TEMPLATE = 32
"""Tokens by which a chat template may mark its turns, beside the system's words."""


def complete_each(
    model: TextModel,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    starts: Sequence[str] = (),
    stop: Stop | None = None,
    seeded_by: Sequence[str] = (),
) -> list[list[str] | ContextTooLong]:
    """As `TextModel.complete`; where a prompt is longer than the model's context, that error in place of its answers.

    One such prompt fails all that are asked with it, so then each is asked alone; their answers are the same.

    Raises:
        ModelError: the model cannot be used.
    """
    try:
        return list(model.complete(prompts, sampling, starts=starts, stop=stop, seeded_by=seeded_by))
    except ContextTooLong as error:
        if len(prompts) == 1:
            return [error]
    found: list[list[str] | ContextTooLong] = []
    for number, text in enumerate(prompts):
        alone, here = None if stop is None else _of(stop, number), slice(number, number + 1)
        found += complete_each(model, [text], sampling, starts=starts[here], stop=alone, seeded_by=seeded_by[here])
    return found


def room_left(model: TextModel, asked: str, start: str, sampling: Sampling) -> int | None:
    """How many tokens of a model's context a prompt leaves free beside its answer, rather too few than too many.

    Negative where the prompt would shorten the answer; None where the context is not known.

    Args:
        asked: the user's text. ``start``: what the answer is made to begin with.
    """
    if model.context is None:
        return None
    taken = model.count_tokens(prompt.plain(asked)) + model.count_tokens(start) + _TEMPLATE
    return model.context - taken - min(sampling.max_new_tokens, ANSWER)


def _of(stop: Stop, number: int) -> Stop:
    """The same for a prompt that is asked alone."""
    return lambda _, text: stop(number, text)
