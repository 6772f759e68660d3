"""What asking a language model may cost: tokens and money, counted before a request is sent and again when it is back.

Reads and writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data_pipeline.chat_client import Completion, Reply

# English and code have three to four characters a token; what a server does not count is taken for more, not less.
_CHARACTERS_A_TOKEN = 3


class BudgetReached(Exception):
    """Another request could cost more than what is left."""


class Ended(Exception):
    """The teacher was closed."""


@dataclass(frozen=True)
class Tokens:
    input: int = 0
    output: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(self.input - other.input, self.output - other.output)


@dataclass
class Budget:
    """What may be spent, and what is; a request under way counts as all that it may cost.

    Attributes:
        tokens, usd: the most, None where there is no limit; ``usd_input``, ``usd_output``: the prices of a million.
        spent: until now, by earlier runs too.
    """

    tokens: int | None = None
    usd: float | None = None
    usd_input: float = 0.0
    usd_output: float = 0.0
    spent: Tokens = Tokens()
    _reserved: Tokens = Tokens()
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def reserve(self, cost: Tokens, ended: threading.Event) -> None:
        """Set ``cost`` aside, when need be as soon as requests under way turn out to cost less than they might have.

        Raises:
            BudgetReached: nothing is under way, and it does not fit. Ended: ``ended`` was set meanwhile.
        """
        with self._changed:
            while not self._fits(self.spent + self._reserved + cost):
                if self._reserved == Tokens():
                    raise BudgetReached
                if ended.is_set():
                    raise Ended
                self._changed.wait(0.2)
            self._reserved += cost

    def settle(self, reserved: Tokens, cost: Tokens) -> None:
        """Count what a request cost in place of what was set aside for it."""
        with self._changed:
            self._reserved -= reserved
            self.spent += cost
            self._changed.notify_all()

    def price(self, tokens: Tokens) -> float:
        """In US dollars."""
        return (tokens.input * self.usd_input + tokens.output * self.usd_output) / 1e6

    def _fits(self, tokens: Tokens) -> bool:
        return (self.tokens is None or tokens.input + tokens.output <= self.tokens) and (
            self.usd is None or self.price(tokens) <= self.usd
        )


def at_most(request: Mapping[str, Any]) -> Tokens:
    """What a request can cost; its output counts as nothing where the request sets no limit."""
    limits = [request.get("max_tokens"), request.get("max_completion_tokens")]
    output = max((limit for limit in limits if type(limit) is int), default=0)
    shown = len(str(request.get("messages", ""))) + len(str(request.get("response_format", "")))
    return Tokens(shown // _CHARACTERS_A_TOKEN, output)


def cost_of(reply: Reply, completion: Completion | None, most: Tokens) -> Tokens:
    """What a request cost: as the server counts, else as the texts' lengths say, else the most that it can have."""
    if completion is None:
        return most if reply.may_cost else Tokens()
    shown = len(completion.content) // _CHARACTERS_A_TOKEN
    return Tokens(
        most.input if completion.input is None else completion.input,
        shown if completion.output is None else completion.output,
    )
