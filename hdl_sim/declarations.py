"""Where the names of a module are declared, in a text that need not compile.

Reads tokens; writes nothing. Ports in either style, nets and variables, with what their declaration shares.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from hdl_sim.tokens import Token, is_word, tokens

_DIRECTIONS = frozenset({"input", "output", "inout"})
_NETS = frozenset({"wire", "tri", "wand", "wor"})
_VARIABLES = frozenset({"reg", "logic", "bit", "integer", "int"})
_SIGNS = frozenset({"signed", "unsigned", "var"})


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declared name.

    Attributes:
        start: of the declaration that it stands in, whose other names share all but ``removal``.
        direction, net, variable: the keywords ``output``, ``wire``, ``reg`` and the like, where they stand.
        width: the packed range as written, such as ``[3:0]``.
        initialised: it has a value of its own.
        removal: the edit (start, end, replacement) that takes this name out.
    """

    name: str
    start: int
    direction: Token | None
    net: Token | None
    variable: Token | None
    width: str
    initialised: bool
    removal: tuple[int, int, str]


def declarations(text: str) -> Iterator[Declaration]:
    """The declarations in a text, in its order; not those of functions and tasks."""
    seen = list(tokens(text))
    place = 0
    while place < len(seen):
        if is_word(seen[place], "function") or is_word(seen[place], "task"):
            last = f"end{seen[place].text}"
            place = next((at for at in range(place, len(seen)) if is_word(seen[at], last)), len(seen))
        elif seen[place].kind == "word" and seen[place].text in _DIRECTIONS | _NETS | _VARIABLES:
            place = yield from _declaration(text, seen, place)
        else:
            place += 1


def _declaration(text: str, seen: Sequence[Token], place: int) -> Generator[Declaration, None, int]:
    first = place
    keywords: dict[str, Token] = {}
    while place < len(seen) and seen[place].kind == "word" and (kind := _kind(seen[place].text)):
        keywords.setdefault(kind, seen[place])
        place += 1
    place, width = _range(text, seen, place)
    names: list[tuple[Token, int, bool]] = []
    while place < len(seen) and seen[place].kind == "word" and not _kind(seen[place].text):
        name = seen[place]
        end = _declarator_end(seen, place + 1)
        initialised = any(token.text == "=" for token in seen[place + 1 : end])
        names.append((name, end, initialised))
        place = end
        if place < len(seen) and seen[place].text == "," and _is_name(seen, place + 1):
            place += 1
            continue
        break
    for index, (name, _, initialised) in enumerate(names):
        yield Declaration(
            name=name.text,
            start=seen[first].start,
            direction=keywords.get("direction"),
            net=keywords.get("net"),
            variable=keywords.get("variable"),
            width=width,
            initialised=initialised,
            removal=_removal(seen, first, names, index),
        )
    return max(place, first + 1)


def _removal(
    seen: Sequence[Token], first: int, names: Sequence[tuple[Token, int, bool]], index: int
) -> tuple[int, int, str]:
    name, end, _ = names[index]
    if len(names) == 1:
        stop = seen[end].end if end < len(seen) and seen[end].text == ";" else seen[end - 1].end
        return seen[first].start, stop, ""
    if index:
        before = names[index - 1][1]  # its comma
        return seen[before].start, seen[end - 1].end, ""
    return name.start, seen[end].end, ""


def _kind(word: str) -> str:
    if word in _DIRECTIONS:
        return "direction"
    if word in _NETS:
        return "net"
    return "variable" if word in _VARIABLES else "sign" if word in _SIGNS else ""


def _is_name(seen: Sequence[Token], place: int) -> bool:
    return place < len(seen) and seen[place].kind == "word" and not _kind(seen[place].text)


def _range(text: str, seen: Sequence[Token], place: int) -> tuple[int, str]:
    start = place
    while place < len(seen) and seen[place].text == "[":
        while place < len(seen) and seen[place].text != "]":
            place += 1
        place += 1
    if place == start or place > len(seen):
        return place, ""
    return place, text[seen[start].start : seen[place - 1].end]


def _declarator_end(seen: Sequence[Token], place: int) -> int:
    """The place of the ``,``, ``;`` or ``)`` behind a name, its dimensions and its value."""
    depth = 0
    while place < len(seen):
        word = seen[place].text
        if depth == 0 and word in (",", ";", ")"):
            return place
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(word, 0)
        place += 1
    return place
