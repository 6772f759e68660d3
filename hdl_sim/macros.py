"""Bounds what macros may expand to, before a preprocessor that works in our own memory is given them.

Reads source text; writes nothing. Forty macros that each double the one before would fill any machine.
"""

from __future__ import annotations

import re
from collections import defaultdict

# Characters after expansion; designs need a thousandth of it.
MAX_EXPANSION = 4_000_000
_DEFINE = re.compile(r"`define[ \t]+([A-Za-z_]\w*)((?:\\\r?\n|[^\n])*)")
_PIECE = re.compile(r"`([A-Za-z_]\w*)\s*(\(?)|([A-Za-z_]\w*)|([(\[{])|([)\]}])|[^`A-Za-z_()\[\]{}]+|.", re.DOTALL)
_TOO_MUCH = MAX_EXPANSION + 1
_MAX_DEPTH = 64


def macro_bodies(code: str) -> list[str]:
    """The texts that the macros of a text stand for, parameters and all."""
    return [body for _, body in _DEFINE.findall(code)]


def expanded_size(code: str) -> int:
    """An upper bound on the characters of a text after macro expansion; `MAX_EXPANSION` + 1 stands for any more.

    What stands in the arguments of calls counts as often as the calls may repeat it, one within another multiplying. Of
    several definitions of a name the worst counts. Comments are not skipped, which is on the safe side.
    """
    return _Expansion(code).size


class _Expansion:
    """How long each macro's text gets, and how often it repeats what it is given, with what it calls."""

    def __init__(self, code: str) -> None:
        self._bodies: defaultdict[str, list[str]] = defaultdict(list)
        for name, body in _DEFINE.findall(code):
            self._bodies[name].append(body)
        self._known: dict[str, tuple[int, int]] = {}
        self._path: list[str] = []
        self.size = self._measure(_DEFINE.sub("", code), frozenset())[0]

    def _of(self, name: str) -> tuple[int, int]:
        """The size of a macro's expansion without its arguments, and how often it repeats one of them."""
        if name not in self._bodies or name in self._path:
            return 0, 1  # a directive, or recursion, which slang refuses
        if len(self._path) > _MAX_DEPTH:
            return _TOO_MUCH, _TOO_MUCH
        if name not in self._known:
            self._path.append(name)
            measured = [self._measure(*_split(body)) for body in self._bodies[name]]
            self._path.pop()
            self._known[name] = max(size for size, _ in measured), max(repeats for _, repeats in measured)
        return self._known[name]

    def _measure(self, text: str, parameters: frozenset[str]) -> tuple[int, int]:
        """The size of an expanded text, and how often the most used of its parameters stands in it."""
        size, times = 0, 1
        uses: defaultdict[str, int] = defaultdict(int)
        outer: list[int] = []  # what `times` was outside each open bracket
        for piece in _PIECE.finditer(text):
            call, opens, word, bracket, closes = piece.groups()
            size += len(piece.group()) * times
            if call:
                inner, repeats = self._of(call)
                size += inner * times
                if opens:
                    outer.append(times)
                    times *= max(1, repeats)
            elif word in parameters:
                uses[word] += times
            elif bracket:
                outer.append(times)
            elif closes and outer:
                times = outer.pop()
            if size > MAX_EXPANSION or times > MAX_EXPANSION:
                return _TOO_MUCH, _TOO_MUCH
        return size, max(uses.values(), default=0)


def _split(body: str) -> tuple[str, frozenset[str]]:
    """A macro's text and the names of its parameters."""
    if not body.startswith("("):
        return body, frozenset()
    parameters, _, text = body[1:].partition(")")
    return text, frozenset(part.split("=")[0].strip() for part in parameters.split(","))
