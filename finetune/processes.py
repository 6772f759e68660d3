"""One training in several processes: the first one reads and writes the stage folder, the others follow it.

Reads RANK and WORLD_SIZE, which ``accelerate launch`` and ``torchrun`` set; writes nothing. Where the first process
ends with an error, the launcher ends those that wait for it.
"""

from __future__ import annotations

import atexit
import os
from datetime import timedelta
from typing import Any, TypeVar

from autovcoder.errors import ConfigError

T = TypeVar("T")


def is_main() -> bool:
    """Whether this process writes: true for the first of a launch, and where there is no launcher."""
    return int(os.environ.get("RANK", "0")) == 0


def join_group(timeout: Any = None, backend: Any = None) -> None:
    """Make the process group, where there are several processes. It stays: what the trainer sets later has no effect.

    Args:
        timeout: how long the processes wait for the first one, in seconds; what is no number is the trainer's own
            default, half an hour. ``backend``: None takes what suits the devices.

    Raises:
        ConfigError: the backend is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    import torch
    from accelerate import PartialState  # type: ignore[import-untyped]

    wait = timedelta(seconds=timeout if isinstance(timeout, int) else 1800)
    new = not torch.distributed.is_initialized()
    try:
        PartialState(cpu=not torch.cuda.is_available(), timeout=wait, backend=backend)
    except ValueError as error:
        raise ConfigError("the processes cannot join", where="sft.ddp_backend", fix=str(error)) from None
    if new:
        # One whose threads still run while the interpreter goes down can abort a process that did all its work.
        atexit.register(_leave_group)


def _leave_group() -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def from_main(value: T) -> T:
    """The first process's ``value``, in every process, which all wait for it here. It is pickled on its way."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return value
    from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

    join_group()
    shared: list[T] = broadcast_object_list([value])
    return shared[0]
