"""What all trainings share: arguments for this machine, resume from the last checkpoint, facts for the manifest.

Reads models and checkpoints; writes checkpoints below ``<out>/checkpoints``, and what is logged to TensorBoard below
``<out>/runs``.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_type_hints

from autovcoder.errors import AutoVCoderError, ConfigError, ModelError, ToolMissing
from autovcoder.models.local import PACKAGED, resolve
from autovcoder.models.weights import is_adapter, load_weights
from finetune.checkpoints import CHECKPOINTS, RUNS, last_checkpoint
from finetune.clock import clock_class, validation_seconds
from finetune.processes import from_main, is_main
from finetune.saving import saving
from finetune.setting_checks import problem_of, try_schedule

_OURS = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.05}}


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
    if last and from_main(is_main() and _is_over(trainer, last)):
        # All that belongs to a resumption happens but steps: transformers would take one before it looks.
        trainer._run_epoch = lambda **_: None
    with _saving_checkpoints(trainer, folder):
        trainer.train(resume_from_checkpoint=last and str(last))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "steps": trainer.state.global_step,
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "resumed": last is not None,
        "seconds": round(clock.seconds - validation_seconds(trainer), 1),
    }


def _is_over(trainer: Any, checkpoint: Path) -> bool:
    """Whether the training had come to its end when the checkpoint was saved."""
    from transformers import TrainerState
    from transformers.trainer import TRAINER_STATE_NAME

    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    most = trainer.args.max_steps if trainer.args.max_steps > 0 else state.max_steps
    is_stale = getattr(trainer, "is_stale", None)  # of a training that is validated, and has patience
    return state.global_step >= most or (is_stale is not None and is_stale(state.log_history))


@contextmanager
def _saving_checkpoints(trainer: Any, folder: Path) -> Iterator[None]:
    """Say in one line where a checkpoint cannot be written."""
    save = trainer._save_checkpoint

    def save_or_say(*arguments: Any, **named: Any) -> None:
        with saving(folder):
            save(*arguments, **named)

    trainer._save_checkpoint = save_or_say
    try:
        yield
    finally:
        # The trainer holds itself by it, and of several processes one would crash at its end.
        del trainer._save_checkpoint


def _log_beside_the_checkpoints(trainer: Any, folder: Path) -> None:
    """TensorBoard's files would go with the checkpoints; ``TENSORBOARD_LOGGING_DIR`` still wins."""
    from transformers.integrations import TensorBoardCallback

    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(folder)


def load_model(model: str, **options: Any) -> tuple[Any, Any]:
    """A causal language model, in float32 unless ``options`` say otherwise, and its tokenizer.

    Args:
        model: a folder, a hub's id, or a packaged model's name.
        options: arguments of ``AutoModelForCausalLM.from_pretrained``.

    Raises:
        ModelError: there is none, it is an adapter, or it cannot be loaded whole.
    """
    from transformers import AutoTokenizer

    if is_adapter(model):
        raise ModelError("this is an adapter, not a model", where=model, fix="merge it: autovcoder finetune merge")
    where = located(model)
    try:
        loaded = load_weights(where, **{"dtype": "float32"} | options)
        return loaded, AutoTokenizer.from_pretrained(where, trust_remote_code=False)
    except AutoVCoderError:
        raise
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
