"""A cheap lexer of Verilog text, for what must be fast, or must not depend on preprocessing.

Reads text, whole or cut off anywhere; writes nothing. Knows comments, strings, escaped names, directives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      (?P<comment>   //[^\n]* | /\*(?:[^*]|\*(?!/))*(?:\*/)? )
    | (?P<string>    "(?:\\[\s\S]|[^"\\\n])*"? )
    | (?P<directive> `[A-Za-z_]\w* )
    | (?P<system>    \$[A-Za-z_][\w$]* )
    | (?P<escaped>   \\\S+ )
    | (?P<word>      [A-Za-z_][\w$]* )
    | (?P<number>    '?[0-9][\w.?]* )
    | (?P<symbol>    \S )
    """,
    re.VERBOSE | re.ASCII,
)


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
