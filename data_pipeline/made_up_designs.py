"""Made-up circuits as designs of the offline teacher: which are kept from training, and how training draws them.

Reads nothing; writes nothing. Some circuits are held out: those that are told in words by their RTL, as the designs of
the families are; those that go by a name by that name, in all their sizes.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Collection
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from autovcoder.config import Settings
from autovcoder.records import CircuitType
from data_pipeline.circuit import WITH_RESET, Circuit, Family
from data_pipeline.made_up import WIDTHS, house_name, in_house, made_up
from data_pipeline.parametric import Design, ParametricTeacher, is_held_out

IN_HOUSE = "in-house"
"""How the topics of circuits begin that go by a name: unless it is told in words too, nobody can write one unseen."""
_NUMBERS = 1_000_000_000


class MadeUpShares(Settings):
    """How much of a set is made up.

    Attributes:
        made_up: the share on circuits that are told in words.
        in_house: the share on circuits that go by a made-up name.
    """

    made_up: Annotated[float, Field(ge=0, le=1)] = 0
    in_house: Annotated[float, Field(ge=0, le=1)] = 0

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.made_up + self.in_house > 1:
            raise PydanticCustomError("shares", "made_up and in_house are more than 1 together")
        return self


def draw_made_up(rng: random.Random) -> Design:
    """A circuit that is told in words and not held out."""
    while True:
        number = rng.randrange(_NUMBERS)
        design = _design(made_up, "made-up circuits", {"number": number}, made_up(number))
        if not is_held_out(design.key):
            return design


def draw_house_number(rng: random.Random, *, held_out: bool = False) -> int:
    """The number of a circuit of the house, whose name is held out or not.

    Where it is not, which is for training, at least one version of the circuit is no held-out RTL either.
    """
    while True:
        number = rng.randrange(_NUMBERS)
        if is_held_out(house_name(number)) != held_out:
            continue
        if held_out or not is_held_out(draw_version(number, rng, told=False).key):
            return number


def house_design(number: int, width: int, reset: str, *, told: bool) -> Design:
    """One version of a circuit of the house; its name is its topic."""
    circuit = in_house(number, width, reset, told)
    parameters = {"number": number, "width": width, "reset": reset, "told": told}
    return _design(in_house, f"{IN_HOUSE} {house_name(number)}", parameters, circuit)


def draw_version(number: int, rng: random.Random, *, told: bool) -> Design:
    """A circuit of the house in a size and with a reset drawn anew."""
    return house_design(number, rng.choice(WIDTHS), rng.choice(WITH_RESET), told=told)


def draw_training_version(number: int, rng: random.Random, *, told: bool) -> Design:
    """A version whose RTL is not held out: small circuits are written as a family's design may be, whatever their name.

    Args:
        number: from `draw_house_number`, or there may be no such version.
    """
    while True:
        design = draw_version(number, rng, told=told)
        if not is_held_out(design.key):
            return design


def _design(build: Callable[..., Circuit], topic: str, parameters: dict[str, Any], circuit: Circuit) -> Design:
    kind: CircuitType = "sequential" if circuit.reset else "combinational"
    return Design(Family(build.__name__, topic, "medium", kind, {}, build), parameters, circuit)


class WiderTeacher(ParametricTeacher):
    """Draws made-up circuits besides those of the families.

    Args:
        made_up, in_house: the shares of what is drawn.
        names: of how many circuits that go by a name; where it is small, there are several versions of most.
    """

    def __init__(
        self,
        families: Collection[str] = (),
        *,
        made_up: float = 0,
        in_house: float = 0,
        names: int = 600,
        seed: int = 0,
    ) -> None:
        super().__init__(families)
        self._made_up, self._in_house, self._names, self._seed = made_up, in_house, names, seed

    @functools.cached_property
    def _numbers(self) -> list[int]:
        """Those of as many circuits as there are names, no two by the same name."""
        rng = random.Random(f"house {self._seed}")
        numbers: dict[str, int] = {}
        while len(numbers) < self._names:
            number = draw_house_number(rng)
            numbers.setdefault(house_name(number), number)
        return list(numbers.values())

    def draw_design(self, rng: random.Random) -> Design:
        if not self._made_up + self._in_house:
            return super().draw_design(rng)
        draw = rng.random()
        if draw < self._in_house:
            return draw_training_version(rng.choice(self._numbers), rng, told=rng.random() < 0.3)
        if draw < self._in_house + self._made_up:
            return draw_made_up(rng)
        return super().draw_design(rng)
