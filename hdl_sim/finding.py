"""A text with what the front ends say of it, as the rules that mend it see it.

Reads a text and its diagnostics; writes changed texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from autovcoder.records import Diagnostic
from hdl_sim.declarations import Declaration, declarations
from hdl_sim.slang import Source, read_source
from hdl_sim.statement import Stated


@dataclass(frozen=True)
class Finding:
    """A text, and what the front ends say of it."""

    text: str
    faults: Sequence[Diagnostic]
    stated: Stated

    @cached_property
    def declared(self) -> dict[str, Declaration]:
        """The first declaration of each name that is not one of a function or task."""
        found: dict[str, Declaration] = {}
        for declaration in declarations(self.text):
            found.setdefault(declaration.name, declaration)
        return found

    @cached_property
    def source(self) -> Source:
        return read_source(self.text)

    def coded(self, *codes: str) -> Iterator[Diagnostic]:
        return (fault for fault in self.faults if fault.code in codes)

    def saying(self, words: str) -> Iterator[Diagnostic]:
        return (fault for fault in self.faults if words in fault.message)

    def offset(self, fault: Diagnostic) -> int:
        """Where a fault is in the text; of one without a column where its line begins."""
        lines = self.text.split("\n")
        row = min(fault.line or 1, len(lines)) - 1
        start = sum(len(line) + 1 for line in lines[:row])
        # Columns count bytes.
        column = len(lines[row].encode()[: (fault.column or 1) - 1].decode(errors="ignore"))
        return start + column


Proposal = tuple[str, str]
"""A changed text, and what was changed in words."""


def spliced(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """The text with (start, end, replacement) edits, none of which overlap."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
