"""`autovcoder data verify` and `autovcoder data export`: drafts become pairs, and pairs what other trainers read.

Reads drafts or pairs; writes a stage folder or one file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from autovcoder.cli.report_errors import say
from autovcoder.cli.stage_options import Against, Config, Out, say_rows

Format = Literal["trl", "trl-plain", "llama-factory", "axolotl"]


def register(app: typer.Typer) -> None:
    """Add the commands to ``autovcoder data``."""
    app.command("verify")(verify)
    app.command("export")(export)


def verify(
    drafts: Annotated[
        Path, typer.Option(help="Drafts: drafts.jsonl, its folder, or the drafts that AutoVCoder's authors released.")
    ],
    out: Out,
    against: Against = None,
    config: Config = None,
    min_kill: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least share of the mutants that the testbench kills.")
    ] = None,
    mutants: Annotated[int | None, typer.Option(min=1, help="Mutants of each distinct design.")] = None,
    require_model: Annotated[
        bool | None, typer.Option("--require-model", help="Keep only what the draft's Python model confirms.")
    ] = None,
    rebuilt_suffices: Annotated[
        bool | None,
        typer.Option(
            "--rebuilt-suffices", help="Keep a draft with a bad testbench where the one rebuilt from its model is good."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Drafts under way at once; all cores by default.")] = None,
) -> None:
    """Keep the drafts that simulation, their Python models and the mutants of their designs prove."""
    from autovcoder.config import load_settings
    from data_pipeline.verify import VerifySettings, verify
    from hdl_sim.icarus_pool import IcarusPool

    flags = {
        "min_kill": min_kill,
        "mutants": mutants,
        "require_model": require_model,
        "rebuilt_suffices": rebuilt_suffices,
    }
    settings = load_settings(VerifySettings, config, flags)
    say_rows(verify(drafts, out, settings, IcarusPool(), against or (), workers=workers), out)
    say(f"the funnel: {out / 'funnel.md'}")


def export(
    pairs: Annotated[Path, typer.Option(help="pairs.jsonl, or the stage folder that holds it.")],
    format: Annotated[Format, typer.Option(help="Which trainer is to read it.")],
    out: Annotated[Path, typer.Option(help="The file to write; for LLaMA-Factory dataset_info.json beside it too.")],
) -> None:
    """Write pairs in the form of another trainer, in the words in which models are asked here."""
    from data_pipeline.export_pairs import export_pairs

    say(f"{out}: {export_pairs(pairs, format, out):,} pairs")
