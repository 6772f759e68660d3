"""What all trainings share: arguments for this machine, resume from the last checkpoint, facts for the manifest.

Reads and writes checkpoints below ``<out>/checkpoints``, which go when the stage is finished, and what is logged to
TensorBoard below ``<out>/runs``.
"""

from __future__ import annotations

import difflib
import inspect
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints

from autovcoder.errors import ConfigError, ModelError, StoreError, ToolMissing
from autovcoder.models.local import PACKAGED, resolve
from autovcoder.store import Manifest, Stage
from finetune.clock import clock_class, validation_seconds
from finetune.processes import from_main, is_main
from finetune.setting_checks import problem_of, try_schedule

CHECKPOINTS, RUNS = "checkpoints", "runs"
_ASIDE = f".{CHECKPOINTS}.partial"
"""Where the checkpoints are while a stage finishes: under a name that no manifest counts."""
_OURS = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.05}}
_WEIGHTS = ("model", "adapter_model", "pytorch_model", "global_step")
"""How a checkpoint's weights are called: of a model or an adapter, under FSDP or DeepSpeed."""


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
        **_OURS,
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
    """The ``transformers.BitsAndBytesConfig`` of QLoRA (Dettmers et al. 2023, arXiv 2305.14314).

    None without settings, and where they turn it off: ``{load_in_4bit: false}``.

    Raises:
        ToolMissing: bitsandbytes or a GPU is. ConfigError: as `checked`.
    """
    if not settings:
        return None
    if not {"load_in_4bit", "load_in_8bit"} & set(settings):
        raise ConfigError("of how many bits?", where="quantization", fix="set load_in_4bit or load_in_8bit to true")
    if not (settings.get("load_in_4bit") or settings.get("load_in_8bit")):
        return None
    from importlib.util import find_spec

    import torch
    from transformers import BitsAndBytesConfig

    config = checked(BitsAndBytesConfig, "quantization", settings)
    if find_spec("bitsandbytes") is None:
        raise ToolMissing(
            "quantization needs bitsandbytes", where="quantization", fix="pip install 'autovcoder[qlora]'"
        )
    if not torch.cuda.is_available():
        raise ToolMissing("quantization needs a GPU", where="quantization", fix="leave the section out")
    return config


def checked(kind: Any, section: str, values: Mapping[str, Any]) -> Any:
    """``kind(**values)`` for a settings class of a library.

    Raises:
        ConfigError: a key is unknown, with the nearest known one, or a value is of the wrong type, too small, or
            refused by the library.
    """
    known = [name for name in inspect.signature(kind).parameters if name != "kwargs"]
    hints = get_type_hints(kind)
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"unknown setting of {kind.__name__}", where=f"{section}.{key}", fix=f"did you mean '{near}'?"
            )
        if problem := problem_of(key, value, hints.get(key)):
            raise ConfigError(f"bad setting of {kind.__name__}", where=f"{section}.{key}", fix=problem)
    values = dict(values)
    ours = values.get("lr_scheduler_type") == _OURS["lr_scheduler_type"]
    if values.get("lr_scheduler_kwargs") is _OURS["lr_scheduler_kwargs"] and not ours:
        del values["lr_scheduler_kwargs"]  # no other schedule knows it
    try:
        made = kind(**values)
        if hasattr(made, "lr_scheduler_type"):
            try_schedule(made)
        return made
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{kind.__name__} refuses the settings", where=section, fix=str(error)) from None


def make_trainer(kind: Any, section: str, **arguments: Any) -> Any:
    """``kind(**arguments)`` for a trainer of a library, tried as far as it can be before anything is trained.

    The folder that it makes is removed while nothing is in it: it must not outlive an error.

    Raises:
        ConfigError: its settings are refused: together, for this model, or for want of a package.
    """
    args = arguments["args"]
    try:
        trainer = kind(**arguments)
        trainer.get_optimizer_cls_and_kwargs(args, trainer.model)  # raises now, not when the training begins
    except (TypeError, ValueError, RuntimeError, ImportError) as error:
        raise ConfigError("the trainer refuses the settings", where=section, fix=str(error)) from None
    finally:
        if is_main():
            with suppress(OSError):
                Path(args.output_dir).rmdir()
    return trainer


def train(trainer: Any) -> dict[str, Any]:
    """Run a ``transformers.Trainer`` from its last whole checkpoint, or from the start; returns loss and time.

    The checkpoints stay until the caller has finished its stage (`finish`): a kill before that costs nothing. The
    time is that of all runs, less what was spent on validation.
    """
    folder = Path(trainer.args.output_dir)
    last = from_main(last_checkpoint(folder) if is_main() else None)
    clock = getattr(trainer, "progress", None)
    if clock is None:
        clock = clock_class()()
        trainer.add_callback(clock)
    _log_beside_the_checkpoints(trainer, folder.parent / RUNS)
    trainer.train(resume_from_checkpoint=last and str(last))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "steps": trainer.state.global_step,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "resumed": last is not None,
        "seconds": round(clock.seconds - validation_seconds(trainer), 1),
    }


def _log_beside_the_checkpoints(trainer: Any, folder: Path) -> None:
    """TensorBoard's files would go with the checkpoints; ``TENSORBOARD_LOGGING_DIR`` still wins."""
    from transformers.integrations import TensorBoardCallback

    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(folder)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; those that a kill cut short are removed."""
    from transformers.trainer_utils import get_last_checkpoint

    while folder.is_dir() and (last := get_last_checkpoint(str(folder))):
        try:
            # The trainer writes this file last.
            json.loads((Path(last) / "trainer_state.json").read_text(encoding="utf-8"))
            # But a removal that was cut short may have left it.
            if any(path.name.startswith(_WEIGHTS) for path in Path(last).iterdir()):
                return Path(last)
        except (OSError, ValueError):
            pass
        _remove(Path(last))
    return None


def take_back_checkpoints(stage: Stage) -> None:
    """Make good a kill in `finish`: the checkpoints are back in their place, or removed where the stage is done.

    Raises:
        StoreError: they cannot be moved or removed.
    """
    place, aside = stage.folder / CHECKPOINTS, stage.folder / _ASIDE
    if aside.exists() and not stage.done and not place.exists():
        _move(aside, place)
    elif aside.exists():
        _remove(aside)


def finish(stage: Stage, **facts: Any) -> Manifest:
    """Finish a stage whose model is saved, and then remove what its training kept for its resumption.

    Raises:
        StoreError: the checkpoints cannot be moved, and would become part of the model's folder.
    """
    place, aside = stage.folder / CHECKPOINTS, stage.folder / _ASIDE
    if place.exists():
        if aside.exists():
            _remove(aside)
        _move(place, aside)
    made = stage.finish(**facts)
    if aside.exists():
        _remove(aside)
    return made


def _move(folder: Path, to: Path) -> None:
    try:
        folder.rename(to)
    except OSError as error:
        raise StoreError("cannot move the folder", where=folder, fix=error.strerror or str(error)) from None


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
    revision = {"revision": options["revision"]} if options.get("revision") else {}
    try:
        # Not None: transformers would ask whether the folder's own code may run.
        options = {"dtype": "float32", "trust_remote_code": False} | options
        loaded = AutoModelForCausalLM.from_pretrained(where, **options)
        return loaded, AutoTokenizer.from_pretrained(where, trust_remote_code=False, **revision)
    # Whatever the libraries raise while loading (there are dozens of kinds), the model cannot be loaded.
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError("cannot load the model to train", where=model, fix=said[0]) from None


def located(model: str) -> str:
    """The folder of a packaged model; any other name as it is."""
    return str(resolve(model)) if model in PACKAGED else model


def in_bfloat16(model: Any) -> Any:
    """The model with its weights in bf16, the form in which all models are saved here."""
    import torch

    return model.to(torch.bfloat16)
