"""What is left of RTL text when layout, comments and, where asked, names are taken away: how copies are recognised.

Reads RTL text, whole or cut off anywhere; writes nothing. Has a lexer of its own beside `hdl_sim.tokens`, which keeps
places and is therefore several times slower: a corpus has millions of modules.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hdl_sim.verilog2001 import SYSTEMVERILOG_WORDS

_VERILOG_WORDS = """
    always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign default defparam
    design disable edge else end endcase endconfig endfunction endgenerate endmodule endprimitive endspecify endtable
    endtask event for force forever fork function generate genvar highz0 highz1 if ifnone incdir include initial inout
    input instance integer join large liblist library localparam macromodule medium module nand negedge nmos nor
    noshowcancelled not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1
    scalared showcancelled signed small specify specparam strong0 strong1 supply0 supply1 table task time tran tranif0
    tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire vectored wait wand weak0 weak1 while wire wor xnor xor
"""
KEYWORDS = frozenset(_VERILOG_WORDS.split()) | SYSTEMVERILOG_WORDS
"""The reserved words of Verilog-2001 and SystemVerilog (IEEE 1364-2001 and 1800-2017, annex B)."""

_COMMENT = r"//[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?"
_SPACE = rf"(?:\s++|{_COMMENT})"
# Directives that say how a file is compiled, not what a design does.
_SETTING = rf"""`(?:
      timescale{_SPACE}++[0-9]++{_SPACE}*+[munpf]?s{_SPACE}*+/{_SPACE}*+[0-9]++{_SPACE}*+[munpf]?s(?![\w$])
    | (?:default_nettype|unconnected_drive){_SPACE}++\w++
    | begin_keywords{_SPACE}++"[^"\n]*+"
    | (?:resetall|celldefine|endcelldefine|nounconnected_drive|end_keywords)(?![\w$])
    )"""
# Bounded, or a text of nothing but openings would be read to its end from each of them.
_ATTRIBUTE = r"""\(\*(?=\s*+[A-Za-z_])(?:"[^"\n]{0,1000}+"|[^*;"]|\*(?!\))){1,200}+\*\)"""
_SKIPPED = rf"(?:{_SPACE}|{_SETTING}|{_ATTRIBUTE}|\\(?!\S))"
_DIGITS = r"'[sS]?[bBoOdDhH]\s*+[0-9a-fA-FxXzZ?][0-9a-fA-FxXzZ?_]*+"
_TOKEN = re.compile(
    rf"""{_SKIPPED}*+
    (   [`$]?[A-Za-z_][\w$]*+
    |   <<<=?|>>>=?|<<=?|>>=?|===|!==|==\?|!=\?|[=!<>]=|&&|\|\||\*\*|\+\+|--|[-+*/%&|^]=|[-+]:|->|::|[()\[\];,.{{}}]
    |   [0-9][0-9_]*+(?:{_SKIPPED}*+{_DIGITS}|(?:\.[0-9][0-9_]*+)?(?:[eE][-+]?[0-9]++)?\w*+)
    |   {_DIGITS}
    |   '[01xXzZ](?![\w$])
    |   "(?:\\[\s\S]|[^"\\\n])*+"
    |   \\\S++
    |   \S
    |   \Z
    )""",
    re.ASCII | re.VERBOSE,
)
_IN_NUMBER = re.compile(rf"{_SKIPPED}|_", re.ASCII | re.VERBOSE)
_PLAIN = re.compile(r"[A-Za-z_][\w$]*", re.ASCII)
_COMMENTS = re.compile(rf'"(?:\\[\s\S]|[^"\\\n])*+"|\\\S++|({_COMMENT})', re.ASCII)
_MODULE_WORDS = frozenset(["module", "macromodule", "endmodule"])
_DIRECTIVES = frozenset(
    ["`define", "`undef", "`undefineall", "`ifdef", "`ifndef", "`elsif", "`else", "`endif", "`include"]
)
_ANY_INPUT = ("(", "*", ")")
_LOOSE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["begin", "end", "logic", "reg", "signed", "wire"], ()),
    "always_comb": ("always", "@", *_ANY_INPUT),
    "always_ff": ("always",),
}
_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_\\")
_NUMBER_START = frozenset("0123456789'")


def normal_tokens(code: str) -> tuple[str, ...]:
    """The tokens of a text without what no tool gives a meaning to.

    Left out are white space, comments, attributes ``(* *)`` and the directives that only say how a file is compiled
    (``timescale`` and the like). Numbers are in lower case, without underscores and spaces; a plain name written as an
    escaped one is plain. Macros and their definitions stay, with the line end of a definition lost.
    """
    found = _TOKEN.findall(code)
    while found and not found[-1]:
        found.pop()
    other = {text: _canonical(text) for text in set(found) if text[0] in _NUMBER_START or text[0] == "\\"}
    return tuple([other.get(text, text) for text in found]) if other else tuple(found)


def number_names(tokens: Iterable[str]) -> tuple[str, ...]:
    """A text in normal form with each name replaced by its number, in order of first occurrence."""
    tokens = tuple(tokens)
    numbers: dict[str, str] = {}
    other: dict[str, str] = {}
    for text in dict.fromkeys(tokens):  # each once, in order of first occurrence
        sign, name = _name_in(text)
        if name:
            other[text] = sign + numbers.setdefault(name, f"n{len(numbers)}")
    return tuple([other.get(text, text) for text in tokens])


def hide_names(tokens: Iterable[str]) -> tuple[str, ...]:
    """A text in normal form with the same letter for every name: what is left is its structure.

    A number depends on all names before it, and so a line more at the top changes all that follow; this does not.
    """
    tokens = tuple(tokens)
    other = {text: _name_in(text)[0] + "n" for text in set(tokens) if _name_in(text)[1]}
    return tuple([other.get(text, text) for text in tokens])


def loosen(tokens: Iterable[str]) -> tuple[str, ...]:
    """A text in normal form without what the same circuit is as often written with: types of signals, ``begin``.

    ``always_comb`` and ``always_ff`` become what they are in Verilog-2001, and ``@*`` is ``@(*)``.
    """
    loose: list[str] = []
    for text in tokens:
        if text == "*" and loose[-1:] == ["@"]:
            loose += _ANY_INPUT
        elif text not in _LOOSE:
            loose.append(text)
        else:
            loose += _LOOSE[text]
    return tuple(loose)


def exact_key(code: str) -> str:
    """The sha256 (hex) of the normal form: the same for texts that differ in layout alone, comments included."""
    return hashlib.sha256("\n".join(normal_tokens(code)).encode(errors="replace")).hexdigest()


def comments_of(code: str) -> list[str]:
    """The comments of a text with their marks, in its order."""
    return [text for text in _COMMENTS.findall(code) if text]


@dataclass(frozen=True)
class NormalModule:
    """One module of a text, in normal form.

    Attributes:
        name: empty where the text is cut off before it.
        tokens: from ``module`` to ``endmodule``, both included, without the module's name and what stands before it.
        header: how many of them the header takes: up to the ``;`` behind the ports.
    """

    name: str
    tokens: tuple[str, ...]
    header: int

    @property
    def body(self) -> tuple[str, ...]:
        """The tokens between the header's ``;`` and ``endmodule``, neither included."""
        return self.tokens[self.header : -1]


def modules_of(code: str) -> tuple[NormalModule, ...]:
    """The modules of a text, in its order; one that is cut off ends with the text or where the next begins."""
    tokens = normal_tokens(code)
    places = [place for place, text in enumerate(tokens) if text in _MODULE_WORDS]
    found = []
    for start, stop in pairwise([*places, len(tokens)]):
        if tokens[start] != "endmodule":
            inside = [text for text in tokens[start + 1 : start + 3] if text not in ("automatic", "static")]
            inside += tokens[start + 3 : stop]
            header = ("module", *inside[1:])
            found.append(NormalModule("".join(inside[:1]), (*header, "endmodule"), _header_length(header)))
    return tuple(found)


def _header_length(tokens: Sequence[str]) -> int:
    """Up to the ``;`` that ends the port list, or all where there is none."""
    importing = False
    for place, text in enumerate(tokens):
        if text == "import":
            importing = True
        elif text == ";":
            # An import stands before the ports and has a `;` of its own.
            if not importing:
                return place + 1
            importing = False
    return len(tokens)


def _name_in(text: str) -> tuple[str, str]:
    """What stands before a token's name, and the name; two empty strings where the token is none."""
    if text[0] == "`":
        return ("`", text[1:]) if text[1:] and text not in _DIRECTIVES else ("", "")
    return ("", text) if text[0] in _NAME_START and text not in KEYWORDS else ("", "")


def _canonical(text: str) -> str:
    if text[0] == "\\":
        plain = _PLAIN.fullmatch(text, 1)
        return text[1:] if plain and text[1:] not in KEYWORDS else text
    return _IN_NUMBER.sub("", text).lower()
