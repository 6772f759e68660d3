"""The handbook's entry for what a compiler said.

Reads the handbook that comes with the package; writes nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from autovcoder.records import Entry
from rag.chunks import handbook

_CHAPTER = "handbook/messages.md"
# A line of an entry that shows a message: "design.v:3: error: ...", or "error: ..." within backquotes.
_SHOWN = re.compile(r"error:\s*`?(?P<text>[^\n`]+?)`?\s*(?:$|\n)", re.MULTILINE)
_NAMES = re.compile(r"[`'\"]+[^`'\"]*[`'\"]+|\[[^\[\]]{0,80}\]|\b\w*\d\w*\b")
_LEAST = 0.6  # of the words of both together
_LONGEST = 500  # characters; names in it may be of any length


def entry_for(message: str) -> Entry | None:
    """The entry that shows a message like this one, whatever the names in it; None where there is none."""
    wanted = _words(message[:_LONGEST])
    best, nearest = 0.0, None
    for shown, entry in _messages():
        likeness = len(wanted & shown) / max(1, len(wanted | shown))
        if likeness > best:
            best, nearest = likeness, entry
    return nearest if best >= _LEAST else None


@lru_cache(maxsize=1)
def _messages() -> tuple[tuple[frozenset[str], Entry], ...]:
    entries = [entry for entry in handbook() if entry.source == _CHAPTER]
    return tuple((_words(shown["text"]), entry) for entry in entries for shown in _SHOWN.finditer(entry.text))


def _words(message: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z-]{2,}", _NAMES.sub(" ", message).lower()))
