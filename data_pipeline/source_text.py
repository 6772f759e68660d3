"""Text of a source file, whatever its encoding, and the macros that a repository defines.

Reads bytes and text; writes nothing. An ``include`` reaches no file: what a source needs of the files that it includes
are mostly macros, and those are looked up among the repository's own.
"""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Iterable

from hdl_sim.tokens import plain_lines

# A longer prefix stands for a module that leans on its surroundings too much to be read alone.
MAX_MACROS = 64
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMENT_OR_STRING = r'//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"?'
# A definition goes on behind a line that ends in a backslash.
_DEFINE = r"`define[ \t]+(?P<name>[A-Za-z_]\w*)(?P<body>(?:\\\n|[^\n])*)"
_DEFINES = re.compile(rf"{_DEFINE}|{_COMMENT_OR_STRING}")
_USES = re.compile(rf"`(?P<name>[A-Za-z_]\w*)|{_COMMENT_OR_STRING}")
_BODY_USES = re.compile(r"`([A-Za-z_]\w*)")
_INCLUDE = re.compile(r'`include[ \t]+(?:"(?P<quoted>[^"\n]*)"|<(?P<angled>[^>\n]*)>|(?P<macro>`\w+))[^\n]*')
_DIRECTIVE_NAMES = """
    begin_keywords celldefine default_nettype define else elsif end_keywords endcelldefine endif ifdef ifndef include
    line nounconnected_drive pragma resetall timescale unconnected_drive undef undefineall __FILE__ __LINE__
"""
_DIRECTIVES = frozenset(_DIRECTIVE_NAMES.split())


def decode(data: bytes) -> str:
    """The text of a source file: line feeds for line ends, no byte order mark.

    UTF-8 and what a byte order mark says are certain; anything else is guessed from the bytes.

    Raises:
        ValueError: the bytes are no text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return plain_lines(data[len(mark) :].decode(encoding, errors="replace"))
    if b"\0" in data:
        raise ValueError("not a text file")
    try:
        return plain_lines(data.decode())
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    guess = from_bytes(data).best()
    return plain_lines(str(guess) if guess is not None else data.decode("latin-1"))


def without_includes(text: str) -> str:
    """The text with every ``include`` directive blanked out, so that each other character keeps its place."""
    return _INCLUDE.sub(lambda match: " " * len(match.group().encode()), text) if "`include" in text else text


def without_defines(text: str) -> str:
    """The text with every ``define`` directive blanked out; each other character keeps its place."""
    if "`define" not in text:
        return text
    return _DEFINES.sub(lambda m: re.sub(r"[^\n]", " ", m.group()) if m["name"] else m.group(), text)


def included_names(text: str) -> list[str]:
    """The file names, without folders, that a text includes."""
    names = (match["quoted"] or match["angled"] or "" for match in _INCLUDE.finditer(text))
    return [name.replace("\\", "/").rpartition("/")[2] for name in names if name]


def macros_used(text: str) -> set[str]:
    """The names of the macros that a text calls outside comments and strings; compiler directives are none."""
    if "`" not in text:
        return set()
    return {match["name"] for match in _USES.finditer(text) if match["name"]} - _DIRECTIVES


def macros_defined(text: str) -> dict[str, str]:
    """Each macro that a text defines, with the whole directive; the last of several definitions counts."""
    if "`define" not in text:
        return {}
    return {match["name"]: match.group().rstrip() for match in _DEFINES.finditer(text) if match["name"]}


class Macros:
    """The macros of a repository, for the files that use them without defining them.

    A definition in a file that the source includes is preferred; conditional compilation around definitions is not
    looked at, and the shortest of several is taken: where variants exist, it is mostly the one for synthesis.
    """

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        """``files`` are (path, text) of all RTL files of the repository."""
        self._definitions: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self._includes: dict[str, list[str]] = {}
        for path, text in files:
            file = path.rpartition("/")[2]
            for name, directive in macros_defined(text).items():
                self._definitions[name].append((file, directive))
            if "`include" in text:
                self._includes.setdefault(file, []).extend(included_names(text))

    def needed(self, text: str, own: dict[str, str]) -> list[str]:
        """The directives that define what ``text`` calls, and what those call, each before its use.

        Args:
            own: definitions of the text's own file, which come first.

        Raises:
            ValueError: they are more than `MAX_MACROS`.
        """
        reached = self._reached(text)
        found: dict[str, str] = {}
        waiting = sorted(macros_used(text))
        while waiting:
            name = waiting.pop()
            directive = own.get(name) or self._best(name, reached)
            if name in found or directive is None:
                continue
            found[name] = directive
            if len(found) > MAX_MACROS:
                raise ValueError(f"needs more than {MAX_MACROS} macros")
            waiting.extend(sorted(set(_BODY_USES.findall(directive)) - _DIRECTIVES))
        # A macro's body is read where it is called, so that any order will do.
        return [found[name] for name in sorted(found)]

    def _best(self, name: str, reached: set[str]) -> str | None:
        choices = self._definitions.get(name, ())
        return min(choices, key=lambda c: (c[0] not in reached, len(c[1]), c[1]))[1] if choices else None

    def _reached(self, text: str) -> set[str]:
        """The names of the files that a text includes, directly or not."""
        reached: set[str] = set()
        waiting = included_names(text)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(self._includes.get(name, ()))
        return reached
