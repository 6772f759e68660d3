"""`autovcoder finetune`: trains models in stages. Reads stage folders and model folders; writes such folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autovcoder.cli.stage_options import Config, Out, Seed, say_rows

app = typer.Typer(help="Train: a base model, the two LoRA rounds, the merged model.", no_args_is_help=True)

Model = Annotated[str, typer.Option(help="The model to start from: a folder, or a Hugging Face id.")]
Data = Annotated[Path, typer.Option(help="Folder of the data: a finished stage of `autovcoder data`.")]


@app.command("pretrain")
def pretrain(data: Data, out: Out, config: Config = None, seed: Seed = None) -> None:
    """Train a tokenizer and a small base model from nothing (base.jsonl of `data texts`)."""
    from autovcoder.config import load_settings
    from finetune.pretrain import PretrainSettings
    from finetune.pretrain import pretrain as run

    say_rows(run(data, out, load_settings(PretrainSettings, config, {"seed": seed})), out)


@app.command("round1")
def round1(model: Model, data: Data, out: Out, config: Config = None, seed: Seed = None) -> None:
    """LoRA on RTL (rtl.jsonl of `data texts`): how Verilog is written."""
    from autovcoder.config import load_settings
    from finetune.rounds import RoundSettings
    from finetune.rounds import round1 as run

    say_rows(run(model, data, out, load_settings(RoundSettings, config, {"seed": seed})), out)


@app.command("round2")
def round2(model: Model, data: Data, out: Out, config: Config = None, seed: Seed = None) -> None:
    """LoRA on verified pairs (pairs.jsonl of `data pairs`): how a stated problem is solved."""
    from autovcoder.config import load_settings
    from finetune.rounds import RoundSettings
    from finetune.rounds import round2 as run

    say_rows(run(model, data, out, load_settings(RoundSettings, config, {"seed": seed})), out)


@app.command("merge")
def merge(
    model: Model, adapter: Annotated[Path, typer.Option(help="Folder of the adapter: a finished round.")], out: Out
) -> None:
    """Join an adapter with the model it was trained on."""
    from finetune.merge import merge as run

    say_rows(run(model, adapter, out), out)


@app.command("nano")
def nano(
    out: Annotated[Path, typer.Option(help="Folder for all stages; an interrupted run is resumed.")],
    config: Config = None,
    install: Annotated[bool, typer.Option(help="Put the finished model into the package, with its card.")] = False,
) -> None:
    """Make the packaged model again, from data to measured pass rates: more than an hour on two cores."""
    from autovcoder.cli.nano import NanoSettings, install_nano, make_nano
    from autovcoder.config import load_settings

    settings = load_settings(NanoSettings, config)
    make_nano(out, settings)
    if install:
        install_nano(out)
