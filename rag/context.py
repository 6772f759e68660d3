"""What is put before a problem: the best entries that fit, none that is told twice, none that gives the answer away.

Reads a library; writes nothing. A careless context does harm: the paper's own ablation has knowledge lower a score. So
an entry must be near enough to the problem, and what was left out is kept with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field, NonNegativeInt

from autovcoder.config import Settings
from autovcoder.overlap import jaccard, shingles, words
from autovcoder.prompt import user_text
from autovcoder.records import Context, Hit, LeftOut

Search = Callable[[Sequence[str], int], list[list[Hit]]]
"""For each problem the entries for it, up to so many, best first."""
CountTokens = Callable[[str], int]
Refuse = Callable[[Hit], str | None]
"""Why an entry must not be shown, in words; None where it may be."""

_SHINGLE = 4
_CANDIDATES = 4
"""For each entry wanted so many are looked at, since some are left out."""


class ContextSettings(Settings):
    """What is retrieved and how much of it is shown.

    Attributes:
        examples, knowledge: the most entries of each store (the paper: 2 and 3).
        budget: tokens by which they may lengthen a prompt, by the model's tokenizer; what does not fit is left out
            whole.
        least_example, least_knowledge: least cosine with the problem; below it an entry is not shown. The defaults are
            for the packaged encoder: another one's cosines lie elsewhere. An example may be told in other words and
            still be right, by a name that both have, so less is asked of it.
        alike: two entries whose word shingles have at least this Jaccard similarity are one told twice.
    """

    examples: NonNegativeInt = 2
    knowledge: NonNegativeInt = 3
    budget: NonNegativeInt = 1200
    least_example: Annotated[float, Field(ge=-1, le=1)] = 0.3
    least_knowledge: Annotated[float, Field(ge=-1, le=1)] = 0.5
    alike: Annotated[float, Field(gt=0, le=1)] = 0.7


def build_contexts(
    problems: Sequence[str],
    settings: ContextSettings,
    count_tokens: CountTokens,
    *,
    examples: Search | None = None,
    knowledge: Search | None = None,
    refuse: Refuse | None = None,
    room: Sequence[int | None] | None = None,
) -> list[Context]:
    """The context of each problem: examples, then knowledge, the best of each first.

    Args:
        examples, knowledge: such as `rag.retrieve.Retriever.search_many`.
        count_tokens: of a text, by the tokenizer of the model that will read it.
        refuse: the leak guard; asked for every entry that would be shown.
        room: tokens by which each prompt may be lengthened where that is less than the budget; None where nothing
            bounds it.
    """
    wanted = ((examples, settings.examples), (knowledge, settings.knowledge))
    found: list[list[list[Hit]]] = [
        search(problems, most * _CANDIDATES) if search and most else [[] for _ in problems] for search, most in wanted
    ]
    left = [settings.budget if one is None else one for one in room or [None] * len(problems)]
    return [
        _pack(solved, known, settings, max(0, min(settings.budget, one)), count_tokens, refuse)
        for solved, known, one in zip(found[0], found[1], left, strict=True)
    ]


def _pack(
    solved: Sequence[Hit],
    known: Sequence[Hit],
    settings: ContextSettings,
    budget: int,
    count_tokens: CountTokens,
    refuse: Refuse | None,
) -> Context:
    shown: list[Hit] = []
    left_out: list[LeftOut] = []
    seen: list[frozenset[int]] = []
    tokens = 0
    for hits, most, least in (
        (solved, settings.examples, settings.least_example),
        (known, settings.knowledge, settings.least_knowledge),
    ):
        taken = 0
        for hit in hits:
            if taken == most:
                break
            told: frozenset[int] = frozenset()
            longer = tokens
            if hit.score < least:  # asked first: it costs nothing
                reason: str | None = f"not near enough ({hit.score:.2f}, the least is {least:g})"
            elif (reason := refuse(hit) if refuse else None) is None:
                told = shingles(words(hit.text), _SHINGLE)
                # As it is shown: with its title, and that of the problem behind it.
                longer = count_tokens(user_text("", context=[*(one.text for one in shown), hit.text]))
                if any(jaccard(told, other) >= settings.alike for other in seen):
                    reason = "tells what another one tells"
                elif longer > budget:
                    reason = f"does not fit ({longer - tokens} tokens, {budget - tokens} are left)"
            if reason is None:
                shown.append(hit)
                seen.append(told)
                taken, tokens = taken + 1, longer
            else:
                left_out.append(LeftOut(hit=hit, reason=reason))
    return Context(shown=tuple(shown), tokens=tokens, left_out=tuple(left_out))
