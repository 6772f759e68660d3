"""One verdict in the making: the sandbox it is made in, the time it has left, and what is known so far.

Reads files of the sandbox's folder.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from autovcoder.errors import ToolFailed
from autovcoder.records import Diagnostic, SimStage, Status, Verdict
from hdl_sim.limits import Limits
from hdl_sim.rules import Outcome
from hdl_sim.sandbox import Sandbox
from hdl_sim.toolchain import Toolchain

_LOG_TAIL = 4000  # characters
_SPACE_LEFT = 1 << 20  # bytes; with less, a file of a run may have been cut off


@dataclass(slots=True)
class Run:
    """One verdict in the making.

    Attributes:
        simulator: its name and version. ``nonce``: a word that no design can know, and that no verdict shows.
        design: the candidate, preprocessed.
        log: what the last program printed. ``runs_python``: that may be what a testbench in Python printed.
    """

    sandbox: Sandbox
    tools: Toolchain
    limits: Limits
    simulator: str
    nonce: str
    started: float = field(default_factory=time.monotonic)
    design: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    log: str = ""
    runs_python: bool = False

    @property
    def folder(self) -> Path:
        return self.sandbox.folder

    def left(self) -> Limits:
        """The limits with the wall time that is left: compiling and running share it."""
        return replace(self.limits, wall_s=max(0.001, self.limits.wall_s - (time.monotonic() - self.started)))

    def verdict(self, status: Status, stage: SimStage, outcome: Outcome | None = None) -> Verdict:
        if status != "pass":
            self.refuse_full_disk()
        return Verdict(
            status=status,
            stage=stage,
            mismatches=outcome.mismatches if outcome else None,
            samples=outcome.samples if outcome else None,
            diagnostics=self.diagnostics,
            log_tail=self.log.replace(self.nonce, "")[-_LOG_TAIL:],
            seconds=round(time.monotonic() - self.started, 4),
            simulator=self.simulator,
        )

    def refuse_full_disk(self) -> None:
        """Raise where a lack of space, and not the design, may have ended the run.

        Python may have printed anything; and where a sandbox has room of its own, what ran there has filled it.
        """
        if self.runs_python and self.sandbox.apart:
            return
        said = "No space left" in self.log and not self.runs_python
        if said or shutil.disk_usage(self.folder).free < _SPACE_LEFT:
            raise ToolFailed("no space left to simulate in", where=self.folder.parent, fix="free some and run again")
