"""The checkpoints of a training: which one it goes on from, and when they go.

Reads and writes ``<out>/checkpoints``, which is removed when the stage is finished.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from autovcoder.errors import StoreError
from autovcoder.store import Manifest, Stage

CHECKPOINTS, RUNS = "checkpoints", "runs"
_ASIDE = f".{CHECKPOINTS}.partial"
"""Where the checkpoints are while a stage finishes: under a name that no manifest counts."""
_WEIGHTS = ("model", "adapter_model", "pytorch_model", "global_step")
"""How a checkpoint's weights are called: of a model or an adapter, under FSDP or DeepSpeed."""


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

    What was logged to TensorBoard stays beside it, and is no part of it.

    Raises:
        StoreError: the checkpoints cannot be moved, and would become part of the model's folder.
    """
    place, aside = stage.folder / CHECKPOINTS, stage.folder / _ASIDE
    if place.exists():
        if aside.exists():
            _remove(aside)
        _move(place, aside)
    made = stage.finish((RUNS,), **facts)
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
