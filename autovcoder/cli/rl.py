"""`autovcoder finetune rl`: rewards a model's own answers by what the simulator says of them.

Reads pairs and a model; writes a stage folder with a LoRA adapter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autovcoder.cli.stage_options import Config, Out, Seed, say_rows, simulator_from


def rl(
    model: Annotated[str, typer.Option(help="The model to start from: a folder, a Hugging Face id, or nano.")],
    data: Annotated[Path, typer.Option(help="Folder of the pairs: a finished stage with pairs.jsonl.")],
    out: Out,
    config: Config = None,
    seed: Seed = None,
    cache: Annotated[bool, typer.Option(help="Take verdicts that are known from earlier runs.")] = True,
) -> None:
    """Reinforcement learning (GRPO with LoRA): the simulator's verdict on each answer is its reward."""
    from autovcoder.config import load_settings
    from finetune.rl import RlSettings
    from finetune.rl import rl as run

    settings = load_settings(RlSettings, config, {"seed": seed})
    say_rows(run(model, data, out, settings, simulator_from(cache)), out)
