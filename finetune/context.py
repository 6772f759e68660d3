"""Context in the prompts of round 2, sampled from the other pairs, so that retrieval finds a model that can use it.

Reads the pairs themselves; writes nothing. A model that never saw a reference before its problem takes it for a part of
the problem; one that saw nothing but good ones copies bad ones too. So some prompts have none, some have an example of
another topic, which is of no use, and most have one that is alike.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PositiveInt

from autovcoder.config import Settings
from autovcoder.prompt import example_text, user_text


class SampledContext(Settings):
    """What stands before the problems of round 2 and of RL.

    Attributes:
        share: the share of problems that get references. ``alike``: the share of their references that are on the
            problem's own topic; the others are on any.
        needed: how topics begin that cannot be known without a reference on them: every problem on one gets one on its
            own topic, where there is another. Further references are drawn from its own topic, from others of these,
            from which its own has to be told, and from all, by equal chances.
        most: the most references of one problem; how many is drawn evenly.
        longest: characters that the references of a problem may have together; one that would exceed it is left out.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    alike: Annotated[float, Field(ge=0, le=1)] = 0.7
    needed: tuple[str, ...] = ()
    most: PositiveInt = 2
    longest: PositiveInt = 3000


NO_CONTEXT = SampledContext()


@dataclass(frozen=True)
class Solved:
    """A problem with its answer, and what it is about."""

    id: str
    topic: str
    problem: str
    code: str


def with_context(pairs: Sequence[Solved], settings: SampledContext, seed: int) -> Iterator[str]:
    """For each pair the user's text of its prompt, with references before it or without any.

    Which it gets depends on ``seed`` and its id alone, given the same pairs. No reference has the pair's own answer. A
    pair on a ``needed`` topic goes without only where no other pair on it has another answer and is short enough.
    """
    by_topic: dict[str, list[Solved]] = defaultdict(list)
    for pair in pairs:
        by_topic[pair.topic].append(pair)
    needed = [pair for pair in pairs if pair.topic.startswith(settings.needed)]
    for pair in pairs:
        rng = random.Random(f"context {seed} {pair.id}")
        own = by_topic[pair.topic]
        if pair.topic.startswith(settings.needed):
            first = [other for other in own if other.code != pair.code and len(_shown(other)) <= settings.longest]
            pools = [first, *(rng.choice((first, needed, pairs)) for _ in range(rng.randint(0, settings.most - 1)))]
        elif rng.random() < settings.share:
            pools = [own if rng.random() < settings.alike else pairs for _ in range(rng.randint(1, settings.most))]
        else:
            pools = []
        context: list[str] = []
        for other in (rng.choice(pool) for pool in pools if pool):
            text = _shown(other)
            fits = len(text) + sum(map(len, context)) <= settings.longest
            if other.code != pair.code and text not in context and fits:
                context.append(text)
        rng.shuffle(context)
        yield user_text(pair.problem, context=context)


def _shown(pair: Solved) -> str:
    return example_text(pair.problem, pair.code)
