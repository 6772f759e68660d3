"""`autovcoder data`: makes training data. Reads settings; writes stage folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autovcoder.cli import collect, corpus
from autovcoder.cli.report_errors import say

if TYPE_CHECKING:
    from autovcoder.store import Manifest

app = typer.Typer(help="Make training data.", no_args_is_help=True)
app.command("collect")(collect.collect)
corpus.register(app)

Out = Annotated[Path, typer.Option(help="The stage folder to write; an interrupted one is resumed.")]
Config = Annotated[Path | None, typer.Option(help="YAML file with the command's settings; flags win.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything drawn.")]


@app.command("pairs")
def pairs(
    out: Out,
    config: Config = None,
    seed: Seed = None,
    count: Annotated[int | None, typer.Option("--pairs", min=0, help="Pairs to draw for training.")] = None,
    problems: Annotated[int | None, typer.Option(min=0, help="Problems to hold out.")] = None,
) -> None:
    """Draw problem and code pairs from the parametric families and keep what simulation proves."""
    from autovcoder.config import load_settings
    from data_pipeline.pairs import PairSettings, make_pairs
    from hdl_sim.icarus_pool import IcarusPool

    settings = load_settings(PairSettings, config, {"seed": seed, "pairs": count, "problems": problems})
    say_rows(make_pairs(out, settings, IcarusPool()), out)


@app.command("texts")
def texts(
    out: Out,
    config: Config = None,
    seed: Seed = None,
    base: Annotated[int | None, typer.Option(min=0, help="Documents for the base model.")] = None,
    rtl: Annotated[int | None, typer.Option(min=0, help="Good RTL modules for round 1.")] = None,
) -> None:
    """Write what the base model and round 1 of a model made from nothing read."""
    from autovcoder.config import load_settings
    from data_pipeline.texts import TextSettings, make_texts

    settings = load_settings(TextSettings, config, {"seed": seed, "base": base, "rtl": rtl})
    say_rows(make_texts(out, settings), out)


def say_rows(manifest: Manifest, out: Path) -> None:
    """Say what a finished stage holds."""
    rows = ", ".join(f"{count:,} rows in {name}" for name, count in manifest.rows.items())
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in manifest.facts.items())
    say(f"{out}: " + "; ".join(part for part in (rows, facts) if part))
