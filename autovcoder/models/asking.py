"""A model asked for many answers at once, although it may be unable to read some of the prompts.

Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from autovcoder.errors import ContextTooLong
from autovcoder.models import Stop, TextModel
from autovcoder.records import Sampling


def complete_each(
    model: TextModel,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    starts: Sequence[str] = (),
    stop: Stop | None = None,
) -> list[list[str] | ContextTooLong]:
    """As `TextModel.complete`; where a prompt is longer than the model's context, that error in place of its answers.

    One such prompt fails all that are asked with it, so then each is asked alone; their answers are the same.

    Raises:
        ModelError: the model cannot be used.
    """
    try:
        return list(model.complete(prompts, sampling, starts=starts, stop=stop))
    except ContextTooLong as error:
        if len(prompts) == 1:
            return [error]
    found: list[list[str] | ContextTooLong] = []
    for number, prompt in enumerate(prompts):
        alone = None if stop is None else _of(stop, number)
        found += complete_each(model, [prompt], sampling, starts=starts[number : number + 1], stop=alone)
    return found


def _of(stop: Stop, number: int) -> Stop:
    """The same for a prompt that is asked alone."""
    return lambda _, text: stop(number, text)
