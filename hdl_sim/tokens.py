"""A cheap lexer of Verilog text, for what must be fast, or must not depend on preprocessing.

Reads text, whole or cut off anywhere; writes nothing. Knows comments, strings, escaped names, directives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

# What a token is, by its first character; the most frequent kinds first.
_KINDS = {
    "word": r"[A-Za-z_][\w$]*",
    "symbol": r"[^\s\w`$\\\"'/]",
    "number": r"'?[0-9][\w.?]*",
    "comment": r"//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?",
    "string": r'"(?:\\[\s\S]|[^"\\\n])*"?',
    "directive": r"`[A-Za-z_]\w*",
    "system": r"\$[A-Za-z_][\w$]*",
    "escaped": r"\\\S+",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in _KINDS.items()) + r"|\S", re.ASCII)
# All tokens up to a word; possessive, so that what was read is never gone back to.
_UP_TO = r"(?:\s++|(?!(?:{words})(?![\w$]))[A-Za-z_][\w$]*+|{others}|[^\sA-Za-z_])*+"


class Token(NamedTuple):
    """A piece of text; ``start`` and ``end`` count characters from 0."""

    kind: str
    text: str
    start: int
    end: int


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens of ``text`` from ``start`` on; white space and comments are passed over."""
    for match in _TOKEN.finditer(text, start):
        if match.lastgroup != "comment":
            yield Token(match.lastgroup or "symbol", match.group(), match.start(), match.end())


def word_finder(words: Iterable[str]) -> Callable[[str, int], re.Match[str] | None]:
    """A function that finds the next of some words, as a token of its own, in a text from a place on.

    Much quicker than `tokens`, for all that is passed over stays in the regular expression. The match's group ``word``
    is the word.
    """
    some = "|".join(words)
    others = "|".join(form for kind, form in _KINDS.items() if kind != "word")
    return re.compile(_UP_TO.format(words=some, others=others) + rf"(?P<word>{some})(?![\w$])", re.ASCII).match


@lru_cache(maxsize=512)
def words(text: str) -> frozenset[str]:
    """The plain names and keywords in a text; kept, because the answers to a problem share its testbench."""
    return frozenset(token.text for token in tokens(text) if token.kind == "word")


def plain_lines(text: str) -> str:
    """The text with line feeds for all line ends, for a lone carriage return ends a comment for some tools only.

    Halves of surrogate pairs, which no file can hold, become question marks.
    """
    return text.encode(errors="replace").decode().replace("\r\n", "\n").replace("\r", "\n")


def statement_end(text: str, start: int) -> int:
    """Where the statement at ``start`` ends: behind the first ``;`` outside parentheses, or the end of the text."""
    depth = 0
    for token in tokens(text, start):
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
        elif token.text == ";" and depth <= 0:
            return token.end
    return len(text)


def is_word(token: Token, word: str) -> bool:
    """True for a keyword or plain name, not for the same letters in a string or an escaped name."""
    return token.kind == "word" and token.text == word
