"""One line at the bottom of a terminal that says how far long work is. Reads nothing; writes to stderr."""

from __future__ import annotations

import sys

from autovcoder.cli.report_errors import printable, say


class StatusLine:
    """One line at the bottom of a terminal that is written over; where stderr is none, only notes are said."""

    def __init__(self) -> None:
        self._on = sys.stderr is not None and sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self._on:
            self._write("\r\x1b[K" + printable(text).replace("\n", " ")[:100])

    def note(self, text: str) -> None:
        self.clear()
        say(text)

    def clear(self) -> None:
        if self._on:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._on = False
