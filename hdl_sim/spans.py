"""Where the modules are in a text that need not be RTL as a whole: an answer, a specification, something cut off.

Reads text; writes nothing. Works on tokens alone, a few tens of microseconds a kilobyte, so that it can be asked often.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, takewhile

from hdl_sim.tokens import Token, tokens, word_finder

_WORDS = """
    module macromodule begin end else if for while case casex casez endcase assign always always_ff always_comb
    always_latch initial reg wire logic input output inout parameter localparam integer function endfunction task
    endtask generate endgenerate and or not nand nor xor xnor buf bufif0 bufif1 notif0 notif1 return repeat posedge
    negedge signed unsigned genvar typedef enum struct packed default real time bit int byte tri supply0 supply1
    unique priority assert
"""
_NOT_INSTANCES = frozenset(_WORDS.split())
_next_keyword = word_finder(("module", "macromodule", "endmodule"))


@dataclass(frozen=True)
class Span:
    """One module in a text.

    Attributes:
        start: of ``module``; ``end``: behind ``endmodule`` (and its label), or the end of the text when not ``closed``.
    """

    name: str
    start: int
    end: int
    closed: bool
    _text: str = field(repr=False)
    _inside: tuple[int, int] = field(repr=False)

    @cached_property
    def _tokens(self) -> list[Token]:
        """What stands between the name and the end."""
        start, stop = self._inside
        return list(takewhile(lambda token: token.start < stop, tokens(self._text, start)))

    @cached_property
    def header_end(self) -> int | None:
        """Behind the ``;`` that ends the port list; None when there is none."""
        return next((token.end for token in self._tokens if token.text == ";"), None)

    @property
    def has_ports(self) -> bool:
        texts = [token.text for token in self._tokens[:2]]
        return texts[:1] == ["#"] or (texts[:1] == ["("] and texts[1:] != [")"])

    @cached_property
    def words(self) -> frozenset[str]:
        """All names in it."""
        return frozenset(token.text for token in self._tokens if token.kind in ("word", "escaped"))

    @cached_property
    def instances(self) -> frozenset[str]:
        """Names in the place of a module's name."""
        return frozenset(_instances(self._tokens))


def module_spans(text: str) -> list[Span]:
    """The modules of a text; prose such as "this module counts" is none, for want of a port list or ``;``."""
    spans: list[Span] = []
    name: Token | None = None
    start = 0
    for key in _keywords(text):
        opened = _opened(text, key) if key["word"] != "endmodule" else None
        if name is not None and (opened or key["word"] == "endmodule"):
            end = key.start("word") if opened else _labelled_end(text, key.end(), name.text)
            spans.append(Span(name.text, start, end, opened is None, text, (name.end, key.start("word"))))
            name = None
        if opened:
            name, start = opened, key.start("word")
    if name is not None:
        spans.append(Span(name.text, start, len(text), False, text, (name.end, len(text))))
    return spans


def _keywords(text: str) -> Iterator[re.Match[str]]:
    key = _next_keyword(text, 0)
    while key is not None:
        yield key
        key = _next_keyword(text, key.end())


def _opened(text: str, key: re.Match[str]) -> Token | None:
    """The name of the module that a keyword opens; None where it is but a word."""
    name, after, third = (*islice(tokens(text, key.end()), 3), None, None, None)[:3]
    if name is None or after is None or name.kind not in ("word", "escaped"):
        return None
    if name.text in ("automatic", "static") and third is not None:
        return None  # a lifetime is legal there, but models never write one, and prose does
    return name if after.text in ("(", "#", ";", "import") else None


def _labelled_end(text: str, end: int, name: str) -> int:
    """The end of ``endmodule`` or of ``endmodule : name``."""
    colon, label = (*islice(tokens(text, end), 2), None, None)[:2]
    return label.end if colon and label and colon.text == ":" and label.text == name else end


def _instances(inside: Sequence[Token]) -> Iterator[str]:
    """Names in the place of a module's name in ``name instance (`` or ``name #(``, at the start of a statement."""
    previous = ";"
    for first, second, third in zip(inside, inside[1:], inside[2:], strict=False):
        starts = previous in (";", "begin", "end", "generate", "endfunction", "endtask", "endcase", ")", "else")
        if starts and first.kind == "word" and first.text not in _NOT_INSTANCES:
            named = second.kind == "word" and second.text not in _NOT_INSTANCES and third.text in ("(", "[")
            if named or (second.text == "#" and third.text == "("):
                yield first.text
        previous = first.text
