"""One training in several processes: the first one reads and writes the stage folder, the others follow it.

Reads RANK and WORLD_SIZE, which ``accelerate launch`` and ``torchrun`` set; writes nothing. Where the first process
ends with an error, the launcher ends those that wait for it.
"""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")


def is_main() -> bool:
    """Whether this process writes: true for the first of a launch, and where there is no launcher."""
    return int(os.environ.get("RANK", "0")) == 0


def from_main(value: T) -> T:
    """The first process's ``value``, in every process, which all wait for it here. It is pickled on its way."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return value
    import torch
    from accelerate import PartialState  # type: ignore[import-untyped]
    from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

    PartialState(cpu=not torch.cuda.is_available())  # the process group, as the trainer will make it
    shared: list[T] = broadcast_object_list([value])
    return shared[0]
