"""`autovcoder finetune`: trains models in stages. Reads stage folders and model folders; writes such folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autovcoder.cli.export_model import export_model
from autovcoder.cli.report_errors import emit
from autovcoder.cli.rl import rl
from autovcoder.cli.stage_options import Config, Out, Seed, say_rows

if TYPE_CHECKING:
    from autovcoder.store import Manifest
    from finetune.round_settings import RoundSettings

app = typer.Typer(
    help="Train: a base model, the two LoRA rounds, the merged model, rewards from the simulator; export.",
    no_args_is_help=True,
)
app.command("rl")(rl)
app.command("export")(export_model)


def _list_presets(wanted: bool) -> None:
    if wanted:
        from finetune.presets import load_preset, preset_names

        emit("".join(f"{name:22} {load_preset(name).model}\n" for name in preset_names()))
        raise typer.Exit


Model = Annotated[str, typer.Option(help="The model to start from: a folder, or a Hugging Face id.")]
Start = Annotated[
    str | None,
    typer.Option(
        help="The model to start from: a folder, a Hugging Face id, or the folder of a finished round, on whose "
        "adapter this one is stacked. Default: the preset's."
    ),
]
Data = Annotated[Path, typer.Option(help="Folder of the data: a finished stage of `autovcoder data`.")]
Preset = Annotated[str | None, typer.Option(help="Settings known for a model; --config and other flags win.")]
ListPresets = Annotated[
    bool, typer.Option("--list-presets", callback=_list_presets, is_eager=True, help="Print the presets and exit.")
]


@app.command("pretrain")
def pretrain(data: Data, out: Out, config: Config = None, seed: Seed = None) -> None:
    """Train a small base model (base.jsonl of `data texts`): from nothing, or on from `model` in --config."""
    from autovcoder.config import load_settings
    from finetune.pretrain import PretrainSettings
    from finetune.pretrain import pretrain as run

    say_rows(run(data, out, load_settings(PretrainSettings, config, {"seed": seed})), out)


@app.command("round1")
def round1(
    data: Data,
    out: Out,
    model: Start = None,
    preset: Preset = None,
    config: Config = None,
    seed: Seed = None,
    list_presets: ListPresets = False,  # noqa: ARG001 (its callback acts)
) -> None:
    """LoRA on RTL (rtl.jsonl of `data texts`, or a corpus): how Verilog is written."""
    from finetune.rounds import round1 as run

    start, settings = _round("round1", model, preset, config, seed)
    _say_once(run(start, data, out, settings), out)


@app.command("round2")
def round2(
    data: Data,
    out: Out,
    model: Start = None,
    preset: Preset = None,
    config: Config = None,
    seed: Seed = None,
    list_presets: ListPresets = False,  # noqa: ARG001 (its callback acts)
) -> None:
    """LoRA on verified pairs (pairs.jsonl of `data pairs`): how a stated problem is solved."""
    from finetune.rounds import round2 as run

    start, settings = _round("round2", model, preset, config, seed)
    _say_once(run(start, data, out, settings), out)


def _round(
    name: str, model: str | None, preset: str | None, config: Path | None, seed: int | None
) -> tuple[str, RoundSettings]:
    """The model to start from, and the settings."""
    from finetune.presets import load_preset, round_settings

    known = load_preset(preset) if preset is not None else None
    section = getattr(known, name) if known else {}
    start = model or (known and known.model)
    if not start:
        raise typer.BadParameter("give the model to start from, or a --preset", param_hint="--model")
    return start, round_settings(section, config, {"seed": seed})


def _say_once(manifest: Manifest, out: Path) -> None:
    """Say what the stage holds, in the first of several processes only."""
    from finetune.processes import is_main

    if is_main():
        say_rows(manifest, out)


@app.command("launch-config")
def launch_config(
    name: Annotated[str, typer.Argument(help="fsdp2, zero2 or zero3.")],
) -> None:
    """Print the path of a configuration for `accelerate launch --config_file`: several GPUs."""
    from finetune.presets import launch_file

    emit(f"{launch_file(name)}\n")


@app.command("merge")
def merge(
    model: Model, adapter: Annotated[Path, typer.Option(help="Folder of the adapter: a finished round.")], out: Out
) -> None:
    """Join an adapter with the model it was trained on."""
    from finetune.merge import merge as run

    say_rows(run(model, adapter, out), out)


@app.command("average")
def average(
    model: Annotated[list[str], typer.Option(help="A model: a folder, or a Hugging Face id; two or more.")],
    out: Out,
    weight: Annotated[list[float] | None, typer.Option(help="One a model, in their order; default: all alike.")] = None,
) -> None:
    """Average the weights of models that began as one and were trained on apart."""
    from finetune.average import average as run

    say_rows(run(model, out, weight or ()), out)


@app.command("nano")
def nano(
    out: Annotated[Path, typer.Option(help="Folder for all stages; an interrupted run is resumed.")],
    benchmark: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of `eval problems`: measured too, and what copies its problems is not trained on; repeatable."
        ),
    ] = None,
    config: Config = None,
    install: Annotated[bool, typer.Option(help="Put the finished model into the package, with its card.")] = False,
) -> None:
    """Make a model like the packaged one and its ablation, from data to pass rates: more than an hour on two cores."""
    from autovcoder.cli.nano import install_nano, make_nano, nano_settings

    make_nano(out, nano_settings(config), benchmark or ())
    if install:
        install_nano(out)
