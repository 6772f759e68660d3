"""Expressions drawn at random: Verilog, the same in words, and what they come to.

Reads the names of signals; writes nothing. All words of one circuit have one width, so that no result of an operation
depends on how Verilog widens its operands.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from data_pipeline.circuit import Values, mask

_ATTEMPTS = 4


class Value(NamedTuple):
    """An expression: Verilog with parentheses where it is no single term, the same in words, and what it comes to.

    ``condition`` says in words that it is 1, and means nothing for a word.
    """

    code: str
    words: str
    evaluate: Callable[[Values], int]
    condition: str = ""

    @property
    def bare(self) -> str:
        """The code where nothing follows or precedes it."""
        return self.code[1:-1] if self.code.startswith("(") and _closes_last(self.code) else self.code


def _closes_last(code: str) -> bool:
    """Whether the parenthesis that opens ``code`` is closed by its last character."""
    depth = 0
    for place, letter in enumerate(code):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if not depth:
            return place == len(code) - 1
    return False


@dataclass
class Expressions:
    """Draws expressions over ``bits`` (one bit wide) and ``words`` (``width`` bits).

    Attributes:
        inner: those of them that are no ports, so that a problem's text holds their names as they are.
    """

    rng: random.Random
    width: int
    bits: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    inner: set[str] = field(default_factory=set)

    def name(self, name: str) -> Value:
        words = name if name in self.inner else f"{{{name}}}"
        return Value(name, words, lambda v: v[name], f"{words} is 1")

    def number(self, number: int) -> Value:
        return Value(f"{self.width}'d{number}", str(number), lambda v: number)

    def draw(self, wide: bool, depth: int, other: Value | None = None) -> Value:
        """A word or a bit, if there is a choice not the ``other`` that it is joined with."""
        for _ in range(_ATTEMPTS):
            value = self._word(depth) if wide else self._bit(depth)
            if other is None or value.code != other.code:
                break
        return value

    def _leaf(self, wide: bool) -> Value:
        rng = self.rng
        if wide:
            return self.number(rng.randint(1, 15)) if rng.random() < 0.12 else self.name(rng.choice(self.words))
        if rng.random() < 0.2:
            name, place = rng.choice(self.words), rng.randint(0, 3)
            words = f"bit {place} of {self.name(name).words}"
            return Value(f"{name}[{place}]", words, lambda v: v[name] >> place & 1, f"{words} is 1")
        return self.name(rng.choice(self.bits))

    def _word(self, depth: int) -> Value:
        if not depth:
            return self._leaf(True)
        rng, full = self.rng, mask(self.width)
        kind = rng.choice(("binary", "binary", "binary", "mux", "mux", "not", "shift", "spread"))
        if kind == "binary":
            left = self.draw(True, depth - 1)
            right = self.draw(True, rng.randint(0, depth - 1), left)
            return self.binary(rng.choice("&|^+-"), left, right, wide=True)
        if kind == "mux":
            return self._choice(True, depth)
        if kind == "not":
            value = self.draw(True, depth - 1)
            return Value(f"(~{value.code})", f"(the complement of {value.words})", lambda v: ~value.evaluate(v) & full)
        if kind == "shift":
            value, places, left_ = self.draw(True, depth - 1), rng.randint(1, 3), rng.random() < 0.5
            words = f"({value.words} shifted {'left' if left_ else 'right'} by {places})"
            if left_:
                return Value(f"({value.code} << {places})", words, lambda v: value.evaluate(v) << places & full)
            return Value(f"({value.code} >> {places})", words, lambda v: value.evaluate(v) >> places)
        bit = self.draw(False, 0)
        return Value(
            f"{{{self.width}{{{bit.code}}}}}",
            f"{bit.words} repeated {self.width} times",
            lambda v: bit.evaluate(v) * full,
        )

    def _bit(self, depth: int) -> Value:
        if not depth:
            return self._leaf(False)
        rng = self.rng
        kind = rng.choice(("binary", "binary", "compare", "compare", "reduce", "not", "mux"))
        if kind == "binary":
            left = self.draw(False, depth - 1)
            right = self.draw(False, rng.randint(0, depth - 1), left)
            return self.binary(rng.choice("&|^"), left, right, wide=False)
        if kind == "compare":
            left = self.draw(True, depth - 1)
            right = self.draw(True, 0, left)
            sign = rng.choice(list(_COMPARISONS))
            says, compare = _COMPARISONS[sign]
            condition = f"{left.words} {says} {right.words}"
            return Value(
                f"({left.code} {sign} {right.code})",
                f"whether {condition}",
                lambda v: int(compare(left.evaluate(v), right.evaluate(v))),
                condition,
            )
        if kind == "reduce":
            value, sign = self.draw(True, depth - 1), rng.choice("&|^")
            say, reduce = _REDUCTIONS[sign]
            condition = say(value.words)
            return Value(
                f"({sign}{value.code})",
                f"whether {condition}",
                lambda v: int(reduce(value.evaluate(v), self.width)),
                condition,
            )
        if kind == "not":
            value = self.draw(False, depth - 1)
            return Value(
                f"(~{value.code})",
                f"the inverse of {value.words}",
                lambda v: 1 - value.evaluate(v),
                f"it is not true that {value.condition}",
            )
        return self._choice(False, depth)

    def _choice(self, wide: bool, depth: int) -> Value:
        """One of two values, by a bit."""
        bit = self.draw(False, self.rng.choice((0, 0, depth - 1)))
        yes = self.draw(wide, depth - 1)
        no = self.draw(wide, 0, yes)
        words = f"{yes.words} when {bit.condition} and {no.words} otherwise"
        return Value(
            f"({bit.code} ? {yes.code} : {no.code})",
            f"({words})",
            lambda v: yes.evaluate(v) if bit.evaluate(v) else no.evaluate(v),
            "" if wide else f"({words}) is 1",
        )

    def binary(self, sign: str, left: Value, right: Value, *, wide: bool) -> Value:
        says, joined = _OPERATORS[sign]
        full = mask(self.width) if wide else 1
        words = f"({left.words} {says} {right.words})"
        return Value(
            f"({left.code} {sign} {right.code})",
            words,
            lambda v: joined(left.evaluate(v), right.evaluate(v)) & full,
            "" if wide else f"{words} is 1",
        )

    def formula(self, code: str) -> str:
        """The code as part of a sentence, where the names of ports are filled in later."""
        known = {*self.bits, *self.words} - self.inner
        escaped = code.replace("{", "{{").replace("}", "}}")
        return re.sub(r"(?<!')\b[A-Za-z_]\w*", lambda m: f"{{{m[0]}}}" if m[0] in known else m[0], escaped)


_OPERATORS: dict[str, tuple[str, Callable[[int, int], int]]] = {
    "&": ("AND", lambda a, b: a & b),
    "|": ("OR", lambda a, b: a | b),
    "^": ("XOR", lambda a, b: a ^ b),
    "+": ("plus", lambda a, b: a + b),
    "-": ("minus", lambda a, b: a - b),
}
_COMPARISONS: dict[str, tuple[str, Callable[[int, int], bool]]] = {
    "==": ("equals", lambda a, b: a == b),
    "!=": ("differs from", lambda a, b: a != b),
    "<": ("is less than", lambda a, b: a < b),
    ">": ("is greater than", lambda a, b: a > b),
    "<=": ("is at most", lambda a, b: a <= b),
    ">=": ("is at least", lambda a, b: a >= b),
}
_REDUCTIONS: dict[str, tuple[Callable[[str], str], Callable[[int, int], int]]] = {
    "&": (lambda word: f"all bits of {word} are 1", lambda value, width: value == mask(width)),
    "|": (lambda word: f"any bit of {word} is 1", lambda value, _: value != 0),
    "^": (lambda word: f"an odd number of bits of {word} is 1", lambda value, _: value.bit_count() % 2),
}
