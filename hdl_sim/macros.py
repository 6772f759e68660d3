"""Bounds what macros may expand to, before a preprocessor that works in our own memory is given them.

Reads source text; writes nothing. Forty macros that each double the one before would fill any machine.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

# Characters after expansion; designs need a thousandth of it.
MAX_EXPANSION = 4_000_000
_STRING = r'"(?:\\.|[^"\\\n])*+"?'
_OUTSIDE = re.compile(rf"//[^\n]*|/\*|{_STRING}|`define(?![\w$])|\\\S+")
_NAME = re.compile(r"[ \t]+([A-Za-z_][\w$]*)")
# What a definition's end depends on; it goes on behind a line that ends in a backslash, a comment's too.
_IN_BODY = re.compile(rf"\n|\\\n|//|/\*|{_STRING}")
_PIECE = re.compile(
    r"`\\?([A-Za-z_][\w$]*)\s*(\(?)|([A-Za-z_][\w$]*)|([(\[{])|([)\]}])|[^`A-Za-z_()\[\]{}]+|.", re.DOTALL
)
_TOO_MUCH = MAX_EXPANSION + 1
_MAX_DEPTH = 64


class Definition(NamedTuple):
    """A ``define`` directive at ``start`` up to ``end``; the name is empty where it is written in an unusual way."""

    name: str
    body: str
    start: int
    end: int


def definitions(text: str) -> Iterator[Definition]:
    """The ``define`` directives of a text, outside comments and strings, in branches not taken too.

    Line ends are line feeds. A front end reads more forms of a name than the one here, an escaped one or one behind a
    comment; those come without a name, for the caller to refuse.
    """
    at = 0
    while match := _OUTSIDE.search(text, at):
        at = match.end()
        if match.group() == "/*":
            at = _comment_end(text, at)
        elif match.group() == "`define":
            name = _NAME.match(text, at)
            begin = name.end() if name else at
            at = _body_end(text, begin)
            yield Definition(name[1] if name else "", text[begin:at], match.start(), at)


def without_definitions(text: str) -> str:
    """The text with its ``define`` directives blanked out; every other character keeps its place."""
    if "`define" not in text:
        return text
    parts, at = [], 0
    for found in definitions(text):
        parts += [text[at : found.start], re.sub(r"[^\n]", " ", text[found.start : found.end])]
        at = found.end
    return "".join([*parts, text[at:]])


def _comment_end(text: str, at: int) -> int:
    end = text.find("*/", at)
    return len(text) if end < 0 else end + 2


def _body_end(text: str, at: int) -> int:
    while match := _IN_BODY.search(text, at):
        at = match.end()
        if match.group() == "\n":
            return match.start()
        if match.group() == "/*":
            at = _comment_end(text, at)
        elif match.group() == "//":
            line = text.find("\n", at)
            if line < 0:
                return len(text)
            if text[line - 1] != "\\":
                return line
            at = line + 1
    return len(text)


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
        self._known: dict[str, tuple[int, int]] = {}
        self._path: list[str] = []
        for found in definitions(code):
            self._bodies[found.name].append(found.body)
        # A definition in a form that is not followed might stand for anything.
        self.size = _TOO_MUCH if "" in self._bodies else self._measure(without_definitions(code), frozenset())[0]

    def _of(self, name: str) -> tuple[int, int]:
        """The size of a macro's expansion without its arguments, and how often it repeats one of them."""
        if name not in self._bodies or name in self._path:
            return 0, 1  # a directive, or recursion, which slang refuses
        if len(self._path) > _MAX_DEPTH:
            return _TOO_MUCH, _TOO_MUCH
        if name not in self._known:
            self._path.append(name)
            measured = [self._measure_body(body) for body in self._bodies[name]]
            self._path.pop()
            self._known[name] = max(size for size, _ in measured), max(repeats for _, repeats in measured)
        return self._known[name]

    def _measure_body(self, body: str) -> tuple[int, int]:
        head, text, names = _split(body)
        size, repeats = self._measure(text, names)
        if head:
            # The defaults of parameters stand wherever the parameters do.
            size += self._measure(head, frozenset())[0] * max(1, repeats)
        return min(size, _TOO_MUCH), repeats

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


def _split(body: str) -> tuple[str, str, frozenset[str]]:
    """A macro's parameters as they are written, its text, and the names of its parameters."""
    if not body.startswith("("):
        return "", body, frozenset()
    depth = 1
    end = 1
    while end < len(body) and depth:
        depth += (body[end] in "([{") - (body[end] in ")]}")
        end += 1
    head = body[1 : end - 1]
    # Each word is taken for one; a word of a default that stands in the text too is counted for nothing worse.
    return head, body[end:], frozenset(re.findall(r"[A-Za-z_][\w$]*", head))
