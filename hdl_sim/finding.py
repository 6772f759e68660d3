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
from hdl_sim.spans import Span, module_spans
from hdl_sim.statement import Stated


@dataclass(frozen=True)
class Finding:
    """A text, and what the front ends say of it."""

    text: str
    faults: Sequence[Diagnostic]
    stated: Stated

    @cached_property
    def spans(self) -> list[Span]:
        """The modules of the text."""
        return module_spans(self.text)

    @cached_property
    def _declared(self) -> list[Declaration]:
        return list(declarations(self.text))

    def span_at(self, offset: int) -> Span | None:
        """The module around a place."""
        return next((span for span in self.spans if span.start <= offset <= span.end), None)

    def declared_at(self, offset: int) -> dict[str, Declaration]:
        """The first declaration of each name in the module around a place."""
        span = self.span_at(offset)
        found: dict[str, Declaration] = {}
        for declaration in self._declared:
            if span is None or span.start <= declaration.start <= span.end:
                found.setdefault(declaration.name, declaration)
        return found

    @cached_property
    def source(self) -> Source:
        return read_source(self.text)

    def coded(self, *codes: str) -> Iterator[Diagnostic]:
        return (fault for fault in self.faults if fault.code in codes)

    def saying(self, words: str) -> Iterator[Diagnostic]:
        return (fault for fault in self.faults if words in fault.message)

    @cached_property
    def _lines(self) -> list[tuple[int, str]]:
        """Where each line begins, and its text."""
        found, start = [], 0
        for line in self.text.split("\n"):
            found.append((start, line))
            start += len(line) + 1
        return found

    def offset(self, fault: Diagnostic) -> int:
        """Where a fault is in the text; of one without a column where its line begins."""
        start, line = self._lines[min(max(fault.line or 1, 1), len(self._lines)) - 1]
        # Columns count bytes.
        return start + len(line.encode()[: (fault.column or 1) - 1].decode(errors="ignore"))


Proposal = tuple[str, str]
"""A changed text, and what was changed in words."""


def spliced(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """The text with (start, end, replacement) edits, none of which overlap."""
    parts, done = [], 0
    for start, end, new in sorted(edits):
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])
