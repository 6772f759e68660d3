"""Text of a source file, whatever its encoding, and the macros that a repository defines.

Reads bytes and text; writes nothing. An ``include`` reaches no file: what a source needs of the files that it includes
are mostly macros, and those are looked up among the repository's own.
"""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Iterable

from hdl_sim.macros import Definition, definitions
from hdl_sim.tokens import plain_lines

# A longer prefix stands for a module that leans on its surroundings too much to be read alone.
MAX_MACROS = 200
# Bytes of a file from which its encoding is guessed.
_GUESSED_FROM = 100_000
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMENT_OR_STRING = r'//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"?'
_USES = re.compile(rf"`(?P<name>[A-Za-z_][\w$]*)|{_COMMENT_OR_STRING}")
_BODY_USES = re.compile(r"`([A-Za-z_][\w$]*)")
_INCLUDE = re.compile(
    r'`include[ \t]{1,99}(?:"(?P<quoted>[^"\n]{0,200})"|<(?P<angled>[^>\n]{0,200})>|`\w{1,200})[^\n]*'
)
_CONDITIONS = re.compile(r"`(?:ifdef|ifndef|elsif)[ \t]+([A-Za-z_][\w$]*)")
_BLANK_END = re.compile(r"[\s\\]+\Z")
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

    # A part of it tells as much, and takes less time; whole lines, so that no character is cut in two.
    guess = from_bytes(data[: data.find(b"\n", _GUESSED_FROM) + 1] or data).best()
    return plain_lines(data.decode(guess.encoding if guess is not None else "latin-1", errors="replace"))


def without_includes(text: str) -> str:
    """The text with every ``include`` directive blanked out, so that each other character keeps its place."""
    return _INCLUDE.sub(lambda match: " " * len(match.group().encode()), text) if "`include" in text else text


def included_names(text: str) -> list[str]:
    """The file names, without folders, that a text includes."""
    names = (match["quoted"] or match["angled"] or "" for match in _INCLUDE.finditer(text))
    return [name.replace("\\", "/").rpartition("/")[2] for name in names if name]


def macros_used(text: str) -> set[str]:
    """The names of the macros that a text calls outside comments and strings; compiler directives are none."""
    if "`" not in text:
        return set()
    return {match["name"] for match in _USES.finditer(text) if match["name"]} - _DIRECTIVES


def macros_defined(text: str, some: Iterable[Definition] | None = None) -> dict[str, str]:
    """Each macro that a text defines, with the whole directive; of several definitions the last counts.

    Args:
        some: only these of its definitions.
    """
    if "`define" not in text:
        return {}
    found = definitions(text) if some is None else some
    return {one.name: _BLANK_END.sub("", text[one.start : one.end]) for one in found if one.name}


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

    def needed(self, text: str, own: dict[str, str], reached: set[str]) -> list[str]:
        """The directives that define what ``text`` calls, and what those call.

        Args:
            own: definitions of the text's own file, which come first. Of those, what conditional compilation in the
                text asks for comes along too.
            reached: the files that the text's own file includes, see `reached`.

        Raises:
            ValueError: they are more than `MAX_MACROS`.
        """
        found: dict[str, str] = {}
        waiting = sorted(macros_used(text) | (set(_CONDITIONS.findall(text)) & own.keys()))
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

    def reached(self, text: str) -> set[str]:
        """The names of the files that a text includes, directly or not."""
        reached: set[str] = set()
        waiting = included_names(text)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(self._includes.get(name, ()))
        return reached
