"""`autovcoder data`: makes training data. Reads settings; writes stage folders."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from autovcoder.cli import collect, corpus, drafts
from autovcoder.cli import pairs as proven
from autovcoder.cli.stage_options import Against, Config, Out, Seed, say_rows

app = typer.Typer(help="Make training data.", no_args_is_help=True)
app.command("collect")(collect.collect)
corpus.register(app)
proven.register(app)
app.command("drafts")(drafts.drafts)


@app.command("pairs")
def pairs(
    out: Out,
    against: Against = None,
    config: Config = None,
    seed: Seed = None,
    count: Annotated[int | None, typer.Option("--pairs", min=0, help="Different pairs to draw for training.")] = None,
    problems: Annotated[int | None, typer.Option(min=0, help="Problems to hold out.")] = None,
    family: Annotated[list[str] | None, typer.Option(help="A circuit family; repeatable; by default all.")] = None,
    designs: Annotated[
        int | None, typer.Option(min=1, help="The most designs of the families; by default all.")
    ] = None,
    made_up: Annotated[float | None, typer.Option(min=0, max=1, help="The share on made-up circuits.")] = None,
    in_house: Annotated[float | None, typer.Option(min=0, max=1, help="The share on circuits known by name.")] = None,
    mutants: Annotated[int | None, typer.Option(min=0, help="Mutants of each distinct design; 0 for none.")] = None,
    min_kill: Annotated[float | None, typer.Option(min=0, max=1, help="The share that a bench must kill.")] = None,
) -> None:
    """Draw problem and code pairs from the parametric families and keep what simulation proves."""
    from autovcoder.config import load_settings
    from data_pipeline.pairs import PairSettings, make_pairs
    from hdl_sim.icarus_pool import IcarusPool

    given: dict[str, Any] = {"seed": seed, "pairs": count, "problems": problems, "families": family}
    given |= {"designs": designs, "mutants": mutants, "min_kill": min_kill, "made_up": made_up, "in_house": in_house}
    settings = load_settings(PairSettings, config, given)
    say_rows(make_pairs(out, settings, IcarusPool(), against or ()), out)


@app.command("texts")
def texts(
    out: Out,
    against: Against = None,
    config: Config = None,
    seed: Seed = None,
    base: Annotated[int | None, typer.Option(min=0, help="Documents for the base model.")] = None,
    rtl: Annotated[int | None, typer.Option(min=0, help="Good RTL modules for round 1.")] = None,
) -> None:
    """Write what the base model and round 1 of a model made from nothing read."""
    from autovcoder.config import load_settings
    from data_pipeline.texts import TextSettings, make_texts

    settings = load_settings(TextSettings, config, {"seed": seed, "base": base, "rtl": rtl})
    say_rows(make_texts(out, settings, against or ()), out)


@app.command("in-house")
def in_house(
    out: Out,
    config: Config = None,
    seed: Seed = None,
    problems: Annotated[int | None, typer.Option(min=0, help="Circuits, one problem each.")] = None,
    versions: Annotated[int | None, typer.Option(min=1, max=8, help="Others of each circuit, for a library.")] = None,
) -> None:
    """Write problems that only a library can answer, and what that library holds: to measure retrieval by."""
    from autovcoder.config import load_settings
    from data_pipeline.house_suite import HouseSettings, make_house_suite
    from hdl_sim.icarus_pool import IcarusPool

    settings = load_settings(HouseSettings, config, {"seed": seed, "problems": problems, "versions": versions})
    say_rows(make_house_suite(out, settings, IcarusPool()), out)
