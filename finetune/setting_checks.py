"""What the libraries' settings classes take without a word, and what would only show when a training has begun.

Reads values and type hints; writes nothing. A folder that was started with such a value would refuse the right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from autovcoder.errors import ConfigError

_LEAST = {
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "max_length": 1,
    "pad_to_multiple_of": 1,
    "ddp_timeout": 1,
    "dataloader_num_workers": 0,
    "learning_rate": 0,
    "num_train_epochs": 0,
    "seed": 0,
}
"""What the libraries do not refuse before the training has begun."""


_NOT_RESUMED = "a resumed training would not be the one that was interrupted"
ALWAYS_DECIDED = {
    "output_dir": "checkpoints are kept in the stage folder",
    "remove_unused_columns": "rows are made here",
    "label_names": "rows are made here",
    "resume_from_checkpoint": "a training goes on from its own last checkpoint",
    "auto_find_batch_size": "a resumed training would not know the batch size that was found",
    "ignore_data_skip": _NOT_RESUMED,
    "save_only_model": _NOT_RESUMED,
    "restore_callback_states_from_checkpoint": _NOT_RESUMED,
    "push_to_hub": "nothing is published by a training; see autovcoder finetune export",
}
"""Keys of ``transformers.TrainingArguments`` that no training here leaves to its user."""


def refuse_decided(section: str, given: Mapping[str, Any], decided: Mapping[str, str]) -> None:
    """Refuse keys that would change nothing, or break what is promised, and ``save_strategy: no``.

    Args:
        decided: such keys, and what to do instead or why.

    Raises:
        ConfigError: one of them is ``given``; the first is named.
    """
    for key in given:
        if key in decided:
            raise ConfigError("this is not for you to set", where=f"{section}.{key}", fix=decided[key])
    if given.get("save_strategy") in ("no", False):  # which YAML reads as false
        fix = "a training that is interrupted goes on from its last one; set save_steps"
        raise ConfigError("no checkpoint would ever be saved", where=f"{section}.save_strategy", fix=fix)


def problem_of(key: str, value: Any, hint: Any) -> str | None:
    """Why ``value`` cannot be, as far as its type is a plain one: the libraries' dataclasses take anything."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not set(kinds) <= {int, float, bool, str, NoneType}:
        return None
    if type(value) not in kinds and not (type(value) is int and float in kinds):
        names = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
        return f"expected {names}, not {value!r}"
    least = _LEAST.get(key)
    if least is not None and isinstance(value, (int, float)) and not value >= least:
        return f"expected {least} or more, not {value}"
    return None


def try_schedule(args: Any) -> None:
    """Make the learning rate's schedule of ``transformers.TrainingArguments``, to raise now what it would raise later.

    Raises:
        TypeError, ValueError: as the library does.
    """
    import torch
    from transformers import get_scheduler

    if args.lr_scheduler_type not in ("reduce_lr_on_plateau", "greedy"):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=args.learning_rate)
        get_scheduler(args.lr_scheduler_type, optimizer, 1, 10, scheduler_specific_kwargs=args.lr_scheduler_kwargs)
