"""A size in RTL text: a number, or a parameter of the module that has this number as its default.

Families write their bodies with it; reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from data_pipeline.circuit import mask, vec


@dataclass(frozen=True)
class Size:
    """``number`` as RTL writes it: ``8``, or ``WIDTH`` when ``name`` is that."""

    number: int
    name: str = ""

    @property
    def text(self) -> str:
        return self.name or str(self.number)

    @property
    def top(self) -> str:
        """The index of the highest bit: ``7`` or ``WIDTH-1``."""
        return self.less(1)

    def less(self, count: int) -> str:
        """The size without ``count``: ``5``, ``WIDTH-3``, or ``WIDTH`` for what is ``count`` above it."""
        base, _, more = self.name.rpartition("+")
        if not more.isdigit():
            return f"{self.name}-{count}" if self.name else str(self.number - count)
        rest = int(more) - count
        return f"{base}{rest:+}" if rest else base

    @property
    def range(self) -> str:
        """The packed range with a space behind it, as ``vec`` gives it."""
        return f"[{self.top}:0] " if self.name else vec(self.number)

    @property
    def zero(self) -> str:
        return f"{{{self.name}{{1'b0}}}}" if self.name else f"{self.number}'d0"

    @property
    def ones(self) -> str:
        return f"{{{self.name}{{1'b1}}}}" if self.name else f"{self.number}'d{mask(self.number)}"

    @property
    def parameters(self) -> dict[str, int]:
        return {self.name: self.number} if self.name else {}

    def ranges(self, *ports: str) -> dict[str, str]:
        """The ranges of ports that have this width."""
        return {port: self.range.strip() for port in ports} if self.name else {}
