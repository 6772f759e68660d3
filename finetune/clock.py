"""How long a training took, over all the runs that it needed.

Reads and writes nothing by itself: it is part of the trainer's checkpoints, so that a kill loses none of it.
"""

from __future__ import annotations

import time
from typing import Any


def clock_class() -> Any:
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState

    class Clock(TrainerCallback, ExportableState):
        """How long a training took, also before it was interrupted; part of each checkpoint.

        Attributes:
            before: wall time of the runs before; ``seconds``: with that of this run.
        """

        def __init__(self) -> None:
            self.before, self.start = 0.0, time.monotonic()

        @property
        def seconds(self) -> float:
            return self.before + time.monotonic() - self.start

        def state(self) -> dict[str, Any]:
            return {"args": {}, "attributes": {"before": self.seconds}}

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if state.global_step:
                saved = state.stateful_callbacks.get(type(self).__name__, {})
                for name, value in saved.get("attributes", {}).items():
                    setattr(self, name, value)
            self.start = time.monotonic()

    return Clock


def validation_seconds(trainer: Any) -> float:
    """How long the validations of a training took, also before it was interrupted."""
    return float(sum(entry.get("eval_seconds", 0) for entry in trainer.state.log_history))
