"""`autovcoder data drafts`: asks a language model for problems with solutions, testbenches and models.

Reads settings and a server's answers; writes a stage folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autovcoder.cli.report_errors import say
from autovcoder.cli.stage_options import Config, Out, Seed
from autovcoder.cli.status_line import StatusLine

if TYPE_CHECKING:
    from autovcoder.store import Manifest
    from data_pipeline.teacher import Progress

_REASONS = 5
"""How many of the commonest reasons for drops are said."""


def drafts(
    out: Out,
    model: Annotated[str | None, typer.Option(help="The model's name at the server.")] = None,
    server: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, such as http://localhost:8000.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many drafts to ask for.")] = None,
    levels: Annotated[str | None, typer.Option(help="Of easy, medium, hard; with commas between.")] = None,
    topics_file: Annotated[Path | None, typer.Option(help="A taxonomy of your own, not the packaged one.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests at once; 8 by default.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(min=1, help="The most tokens, prompts and answers.")] = None,
    budget_usd: Annotated[float | None, typer.Option(min=0, help="The most money; needs both prices.")] = None,
    usd_per_million_input: Annotated[float | None, typer.Option(min=0, help="Price of a million tokens asked.")] = None,
    usd_per_million_output: Annotated[
        float | None, typer.Option(min=0, help="Price of a million tokens of answers.")
    ] = None,
    config: Config = None,
    seed: Seed = None,
) -> None:
    """Ask a language model for drafts: problem, Verilog, testbench and Python model; nothing in them is proven yet.

    The key is read from OPENAI_API_KEY. A run that was interrupted, or stopped at its budget, goes on when repeated;
    one that is complete goes on with a greater --count.
    """
    from autovcoder.config import load_settings
    from data_pipeline.teacher import DraftSettings, make_drafts

    flags = {
        "model": model,
        "server": server,
        "count": count,
        "levels": None if levels is None else tuple(level.strip() for level in levels.split(",")),
        "topics_file": topics_file,
        "concurrency": concurrency,
        "budget_tokens": budget_tokens,
        "budget_usd": budget_usd,
        "usd_per_million_input": usd_per_million_input,
        "usd_per_million_output": usd_per_million_output,
        "seed": seed,
    }
    settings = load_settings(DraftSettings, config, flags)
    line = StatusLine()
    try:
        manifest = make_drafts(out, settings, lambda progress: line.show(_words(progress)))
    finally:
        line.clear()
    _say(manifest, out)


def _words(progress: Progress) -> str:
    money = "" if progress.usd is None else f", {progress.usd:.2f} USD"
    note = f"; {progress.note}" if progress.note else ""
    return f"{progress.done:,} of {progress.count:,} requests, {progress.tokens:,} tokens{money}{note}"


def _say(manifest: Manifest, out: Path) -> None:
    facts = manifest.facts
    tokens = facts["tokens"]["input"] + facts["tokens"]["output"]
    money = "" if facts["usd"] is None else f", {facts['usd']:.2f} USD"
    counts = f"{facts['drafts']:,} drafts, {facts['dropped']:,} dropped"
    say(f"{out}: {counts}; {facts['asked']:,} answers, {tokens:,} tokens{money}")
    for reason, times in list(facts["dropped_because"].items())[:_REASONS]:
        say(f"  dropped {times:,}: {reason}")
    if facts["unasked"]:
        say(
            f"stopped at the budget: {facts['unasked']:,} of {facts['requests']:,} requests are not settled; run it"
            " again with a greater one to go on"
        )
