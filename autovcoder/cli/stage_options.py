"""What the commands that write a stage folder share: options, and how they say what the folder holds.

Reads nothing; writes to stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autovcoder.cli.report_errors import say

if TYPE_CHECKING:
    from autovcoder.store import Manifest
    from hdl_sim.simulator import Simulator

Out = Annotated[Path, typer.Option(help="The stage folder to write; an interrupted one is resumed.")]
Config = Annotated[Path | None, typer.Option(help="YAML file with the command's settings; flags win.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything drawn.")]
Against = Annotated[
    list[Path] | None,
    typer.Option(help="A suite's problems.jsonl (`autovcoder eval problems` writes it); repeatable."),
]


def simulator_from(cache: bool) -> Simulator:
    """Icarus in a process for each core; with ``cache`` verdicts are kept, and those of earlier runs taken."""
    from hdl_sim.cache import CachedSimulator, default_cache
    from hdl_sim.icarus_pool import IcarusPool

    return CachedSimulator(IcarusPool(), default_cache()) if cache else IcarusPool()


def weights_hash(model: str, endpoint: str | None) -> str | None:
    """What identifies the weights of a local model, see `autovcoder.models.weights.weights_id`; None of any other."""
    if endpoint is not None:
        return None
    from autovcoder.models.local import resolve
    from autovcoder.models.weights import weights_id

    return weights_id(resolve(model))


def say_rows(manifest: Manifest, out: Path) -> None:
    """Say what a finished stage holds; tables of facts are for its card and its manifest to show."""
    rows = ", ".join(f"{count:,} rows in {name}" for name, count in manifest.rows.items())
    told = {key: value for key, value in manifest.facts.items() if not isinstance(value, dict)}
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in told.items())
    say(f"{out}: " + "; ".join(part for part in (rows, facts) if part))
