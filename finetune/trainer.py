"""What all trainings share: arguments for this machine, resume from the last checkpoint, facts for the manifest.

Reads and writes checkpoints below ``<out>/checkpoints``; a stage drops them when its model is saved.
"""

from __future__ import annotations

import difflib
import inspect
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autovcoder.errors import ConfigError, ModelError, StoreError, ToolMissing
from autovcoder.models.local import PACKAGED, resolve
from finetune.processes import from_main, is_main

CHECKPOINTS = "checkpoints"


def versions() -> dict[str, str]:
    """The versions of the libraries that shape a training."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets", "accelerate")}


def model_input(model: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """How a stage records the model it starts from: (config, inputs), by content or, for a hub's id, by name."""
    folder = Path(located(model))
    return ({}, {"model": folder}) if folder.is_dir() else ({"model": model}, {})


def common_arguments(out: Path, *, seed: int, epochs: float, learning_rate: float, batch: int) -> dict[str, Any]:
    """The arguments that every training here starts from: bf16 autocast and a checkpoint every few minutes."""
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


def sft_defaults(out: Path, seed: int) -> dict[str, Any]:
    """Where ``trl.SFTConfig`` starts from: rows of like length together, so that little is spent on padding.

    What is logged goes to TensorBoard where that is installed.
    """
    from importlib.util import find_spec

    return common_arguments(out, seed=seed, epochs=1, learning_rate=1e-3, batch=16) | {
        "max_length": 2048,
        "train_sampling_strategy": "group_by_length",
        "report_to": ["tensorboard"] if find_spec("tensorboard") else [],
    }


def quantization(settings: Mapping[str, Any]) -> Any:
    """The ``transformers.BitsAndBytesConfig`` of QLoRA (Dettmers et al. 2023, arXiv 2305.14314); None without settings.

    Raises:
        ToolMissing: bitsandbytes or a GPU is. ConfigError: as `checked`.
    """
    if not (settings.get("load_in_4bit", True) or settings.get("load_in_8bit")) or not settings:
        return None
    from importlib.util import find_spec

    import torch
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise ToolMissing(
            "quantization needs bitsandbytes", where="quantization", fix="pip install 'autovcoder[qlora]'"
        )
    if not torch.cuda.is_available():
        raise ToolMissing("quantization needs a GPU", where="quantization", fix="leave the section out")
    return checked(BitsAndBytesConfig, "quantization", settings)


def checked(kind: Any, section: str, values: Mapping[str, Any]) -> Any:
    """``kind(**values)`` for a settings class of a library.

    Raises:
        ConfigError: a key is unknown, with the nearest known one, or the library refuses a value.
    """
    known = [name for name in inspect.signature(kind).parameters if name != "kwargs"]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"unknown setting of {kind.__name__}", where=f"{section}.{key}", fix=f"did you mean '{near}'?"
            )
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{kind.__name__} refuses the settings", where=section, fix=str(error)) from None


def train(trainer: Any) -> dict[str, Any]:
    """Run a ``transformers.Trainer`` from its last whole checkpoint, or from the start; returns loss and time.

    The checkpoints stay until the caller has saved the model: a kill before that costs nothing.
    """
    folder = Path(trainer.args.output_dir)
    last = from_main(last_checkpoint(folder) if is_main() else None)
    start = time.monotonic()
    trainer.train(resume_from_checkpoint=last and str(last))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "steps": trainer.state.global_step,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "resumed": last is not None,
        "seconds": round(time.monotonic() - start, 1),
    }


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; those that a kill cut short are removed."""
    from transformers.trainer_utils import get_last_checkpoint

    while folder.is_dir() and (last := get_last_checkpoint(str(folder))):
        try:
            # The trainer writes this file last.
            json.loads((Path(last) / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            _remove(Path(last))
        else:
            return Path(last)
    return None


def drop_checkpoints(out: Path) -> None:
    """Remove what a training kept for its resumption; called when the model is saved.

    Raises:
        StoreError: it cannot be removed, and would become part of the model's folder.
    """
    if (out / CHECKPOINTS).exists():
        _remove(out / CHECKPOINTS)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError("cannot remove the folder", where=folder, fix=error.strerror or str(error)) from None


def load_model(model: str, **options: Any) -> tuple[Any, Any]:
    """A causal language model, in float32 unless ``options`` say otherwise, and its tokenizer.

    Args:
        model: a folder, a hub's id, or a packaged model's name.
        options: arguments of ``AutoModelForCausalLM.from_pretrained``.

    Raises:
        ModelError: there is none, it is an adapter, or it cannot be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if (Path(model) / "adapter_config.json").is_file():
        raise ModelError("this is an adapter, not a model", where=model, fix="merge it: autovcoder finetune merge")
    where = located(model)
    try:
        loaded = AutoModelForCausalLM.from_pretrained(where, **({"dtype": "float32"} | options))
        return loaded, AutoTokenizer.from_pretrained(where)
    # transformers raises OSError for what it cannot find, ValueError for what it does not know, ImportError for a
    # kernel or a quantizer that is not installed.
    except (OSError, ValueError, ImportError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError("cannot load the model to train", where=model, fix=said[0]) from None


def located(model: str) -> str:
    """The folder of a packaged model; any other name as it is."""
    return str(resolve(model)) if model in PACKAGED else model


def in_bfloat16(model: Any) -> Any:
    """The model with its weights in bf16, the form in which all models are saved here."""
    import torch

    return model.to(torch.bfloat16)
