"""`autovcoder data`: makes training data. Reads settings; writes stage folders."""

from __future__ import annotations

from typing import Annotated

import typer

from autovcoder.cli import collect, corpus
from autovcoder.cli.stage_options import Config, Out, Seed, say_rows

app = typer.Typer(help="Make training data.", no_args_is_help=True)
app.command("collect")(collect.collect)
corpus.register(app)


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
