"""Opens what `generate-verilog` needs, in the order in which it can fail soonest, and writes for one specification.

Reads a library and a model; writes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autovcoder.cli.report_errors import busy
from autovcoder.records import Bench, Context, Language, Sampling

if TYPE_CHECKING:
    from autovcoder.generate import Effort, Result
    from autovcoder.models import TextModel
    from hdl_sim.lint import Lint
    from rag.library import Library


@dataclass(frozen=True, slots=True)
class Wanted:
    """What holds for every specification of a command.

    Attributes:
        library: where to look for context; None where nothing is put before a specification.
    """

    model: str
    endpoint: str | None
    sampling: Sampling
    effort: Effort
    library: Path | None
    lint: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A result with its findings (None where none were asked for, or it does not compile), and seconds by part."""

    result: Result
    lint: Lint | None
    seconds: dict[str, float]


class Writer:
    """A model with its library, opened.

    Attributes:
        seconds: that opening took, by part.

    Raises:
        ToolMissing: Icarus Verilog is not installed. StoreError: the library cannot be used. ModelError: the model.
    """

    def __init__(self, wanted: Wanted, started: float) -> None:
        from autovcoder.models import open_model
        from hdl_sim.tools import find_tool

        # Before the model is loaded: these failures should not take seconds to show.
        find_tool("iverilog")
        self._wanted = wanted
        imported = time.perf_counter()
        self._library = _opened(wanted.library)
        opened = time.perf_counter()
        with busy("loading the model"):
            self._model: TextModel = open_model(wanted.model, wanted.endpoint)
        self.seconds = {"import": imported - started, "load": time.perf_counter() - opened}
        if self._library is not None:
            self.seconds["retrieve"] = opened - imported

    def write(
        self,
        spec: str,
        *,
        header: str | None = None,
        language: Language | None = None,
        bench: Bench | None = None,
        cocotb: Bench | None = None,
    ) -> Written:
        """Look for context, write, check, and look at the style of what was chosen; see `autovcoder.generate`."""
        from autovcoder.generate import generate, require_text
        from hdl_sim.icarus import Icarus

        require_text(spec)
        seconds: dict[str, float] = {}
        started = time.perf_counter()
        context = self._context(spec, header)
        if context is not None:
            seconds["retrieve"] = time.perf_counter() - started
        result = generate(
            spec,
            self._model,
            header=header,
            language=language,
            sampling=self._wanted.sampling,
            effort=self._wanted.effort,
            context=context,
            bench=bench,
            cocotb=cocotb,
            simulator=Icarus(),
        )
        seconds |= result.seconds
        found = None
        if self._wanted.lint and result.chosen.compiles:
            checked = time.perf_counter()
            found = lint_of(result)
            seconds["lint"] = time.perf_counter() - checked
        return Written(result, found, seconds)

    def _context(self, spec: str, header: str | None) -> Context | None:
        if self._library is None:
            return None
        from autovcoder.cli.retrieval import contexts_for, searches
        from rag.context import ContextSettings

        asked = [(spec, header)]
        found = contexts_for(asked, self._model, searches(self._library), ContextSettings(), self._wanted.sampling)
        return found[0]


def _opened(folder: Path | None) -> Library | None:
    if folder is None:
        return None
    from rag.library import open_library

    return open_library(folder)


def lint_of(result: Result) -> Lint:
    """The findings on the design that was chosen, as the module that is stated or the one that it has."""
    from hdl_sim.lint import lint
    from hdl_sim.statement import stated_interface

    stated = stated_interface(result.spec, result.header).name
    return lint(result.code or "", stated if result.chosen.agreement.name.value == "yes" else None)
