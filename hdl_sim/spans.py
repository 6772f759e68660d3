"""Where the modules are in a text that need not be RTL as a whole: an answer, a specification, something cut off.

Reads text; writes nothing. Works on tokens alone, a few tens of microseconds a kilobyte, so that it can be asked often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hdl_sim.tokens import Token, is_word, tokens

_WORDS = """
    module macromodule begin end else if for while case casex casez endcase assign always always_ff always_comb
    always_latch initial reg wire logic input output inout parameter localparam integer function endfunction task
    endtask generate endgenerate and or not nand nor xor xnor buf bufif0 bufif1 notif0 notif1 return repeat posedge
    negedge signed unsigned genvar typedef enum struct packed default real time bit int byte tri supply0 supply1
    unique priority assert
"""
_NOT_INSTANCES = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Span:
    """One module in a text.

    Attributes:
        start: of ``module``; ``end``: behind ``endmodule`` (and its label), or the end of the text when not ``closed``.
        header_end: behind the ``;`` that ends the port list; None when there is none.
        words: all names in it. ``instances``: those in the place of a module's name.
    """

    name: str
    start: int
    end: int
    closed: bool
    header_end: int | None
    has_ports: bool
    words: frozenset[str]
    instances: frozenset[str]


def module_spans(text: str) -> list[Span]:
    """The modules of a text; prose such as "this module counts" is none, for want of a port list or ``;``."""
    found = list(tokens(text))
    spans: list[Span] = []
    at = 0
    while at < len(found):
        if not _opens(found, at):
            at += 1
            continue
        end = next(
            (k for k in range(at + 1, len(found)) if is_word(found[k], "endmodule") or _opens(found, k)), len(found)
        )
        closed = end < len(found) and found[end].text == "endmodule"
        inside = found[at + 2 : end]
        last = found[end] if closed else found[end - 1]
        stop = last.end
        if closed and end + 2 < len(found) and found[end + 1].text == ":" and found[end + 2].text == found[at + 1].text:
            stop = found[end + 2].end
        spans.append(
            Span(
                name=found[at + 1].text,
                start=found[at].start,
                end=stop if closed else _next_start(found, end, len(text)),
                closed=closed,
                header_end=next((t.end for t in inside if t.text == ";"), None),
                has_ports=_has_ports(inside),
                words=frozenset(t.text for t in inside if t.kind in ("word", "escaped")),
                instances=frozenset(_instances(inside)),
            )
        )
        at = end + 1 if closed else end
    return spans


def _next_start(found: Sequence[Token], index: int, length: int) -> int:
    return found[index].start if index < len(found) else length


def _opens(found: Sequence[Token], at: int) -> bool:
    if found[at].text not in ("module", "macromodule") or found[at].kind != "word" or at + 2 >= len(found):
        return False
    name, after = found[at + 1], found[at + 2]
    if name.text in ("automatic", "static") and at + 3 < len(found):
        return False  # a lifetime is legal there, but models never write one, and prose does
    return name.kind in ("word", "escaped") and after.text in ("(", "#", ";", "import")


def _has_ports(inside: Sequence[Token]) -> bool:
    texts = [token.text for token in inside[:3]]
    if texts[:1] == ["("]:
        return texts[1:2] != [")"]
    return texts[:1] == ["#"]


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
