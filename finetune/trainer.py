"""What all trainings share: arguments for this machine, resume from the last checkpoint, facts for the manifest.

Reads and writes checkpoints below ``<out>/checkpoints``, which are removed when the training is finished.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKPOINTS = "checkpoints"


def versions() -> dict[str, str]:
    """The versions of the libraries that shape a training."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets", "accelerate")}


def model_input(model: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """How a stage records the model it starts from: (config, inputs), by content or, for a hub's id, by name."""
    folder = Path(model)
    return ({}, {"model": folder}) if folder.is_dir() else ({"model": model}, {})


def training_arguments(out: Path, *, seed: int, epochs: float, learning_rate: float, batch: int, **more: Any) -> Any:
    """``transformers.TrainingArguments`` with bf16 autocast and a checkpoint every few minutes; ``more`` wins."""
    from transformers import TrainingArguments

    return TrainingArguments(
        **arguments(out, seed=seed, epochs=epochs, learning_rate=learning_rate, batch=batch) | more
    )


def arguments(out: Path, *, seed: int, epochs: float, learning_rate: float, batch: int) -> dict[str, Any]:
    """The arguments that every training here starts from."""
    import torch

    return {
        "output_dir": str(out / CHECKPOINTS),
        "seed": seed,
        "data_seed": seed,
        "num_train_epochs": epochs,
        "learning_rate": learning_rate,
        "per_device_train_batch_size": batch,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.05},
        "warmup_steps": 0.03,
        "adam_beta2": 0.98,
        "max_grad_norm": 1.0,
        "bf16": True,
        "use_cpu": not torch.cuda.is_available(),
        "save_steps": 100,
        "save_total_limit": 1,
        "logging_steps": 10,
        "report_to": "none",
        "disable_tqdm": not sys.stderr.isatty(),
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
    }


def half(model: Any) -> Any:
    """The model with its weights in bf16, the form in which all models are saved here."""
    import torch

    return model.to(torch.bfloat16)


def sft_defaults(out: Path, seed: int) -> dict[str, Any]:
    """Where ``trl.SFTConfig`` starts from: rows of like length together, so that little is spent on padding.

    Packing needs attention kernels that a CPU lacks to keep the packed examples apart, so it is off here.
    """
    return arguments(out, seed=seed, epochs=1, learning_rate=1e-3, batch=16) | {
        "max_length": 2048,
        "packing": False,
        "train_sampling_strategy": "group_by_length",
    }


def run_trainer(model: Any, arguments: Any, rows: list[dict[str, Any]], collate: Callable[..., Any]) -> dict[str, Any]:
    """Train ``model`` in place with ``transformers.Trainer``; returns loss and time."""
    from transformers import Trainer

    return train(Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate))


def train(trainer: Any) -> dict[str, Any]:
    """Run a trainer from its last checkpoint, or from the start; drops the checkpoints when it is finished."""
    from transformers.trainer_utils import get_last_checkpoint

    folder = Path(trainer.args.output_dir)
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    start = time.monotonic()
    trainer.train(resume_from_checkpoint=last)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "steps": trainer.state.global_step,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "resumed": last is not None,
        "seconds": round(time.monotonic() - start, 1),
    }
