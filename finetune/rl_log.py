"""The log of a reinforcement learning: what the answers of each step were worth.

Reads what trl reports; writes ``rl_log.jsonl``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from autovcoder.files import write_jsonl
from autovcoder.store import Stage

LOG = "rl_log.jsonl"


def log_callback(stage: Stage) -> Any:
    """A ``transformers.TrainerCallback`` that writes a row for each step whose answers were sampled for it."""
    from transformers import TrainerCallback

    class Log(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            # Steps behind the checkpoint that it goes on from are taken once more.
            rows = [row for row in stage.rows(LOG) if row["step"] <= state.global_step]
            if (stage.folder / LOG).exists():
                write_jsonl(stage.folder / LOG, rows)

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            logs: Mapping[str, Any] = kwargs["logs"]
            if "reward" not in logs:
                return
            row = _row(state.global_step, logs)
            stage.append(LOG, row)
            said = f"reward {row['reward']:.3f}, passed {row['pass_share']:.0%}, {row['seconds']:.1f} s"
            with suppress(OSError):  # nobody may be reading any more
                sys.stderr.write(f"step {row['step']} of {state.max_steps}: {said}\n")

    return Log()


def _row(step: int, logs: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the log: shares and means of the step's answers; ``kl`` is None where ``beta`` is 0."""
    rungs = {key.removeprefix("rung_"): value for key, value in logs.items() if key.startswith("rung_")}
    return {
        "step": step,
        "reward": logs["reward"],
        "pass_share": rungs["pass"],
        "kl": logs.get("kl"),
        "seconds": logs["step_time"],
        "reward_std": logs.get("reward_std"),
        "equal_groups": logs.get("equal_groups"),
        "entropy": logs.get("entropy"),
        "tokens": logs.get("completions/mean_length"),
        "learning_rate": logs.get("learning_rate"),
        "grad_norm": logs.get("grad_norm"),
        "rungs": rungs,
    }


def progress(stage: Stage) -> dict[str, Any]:
    """Reward and pass share at both ends of the training: means over a fifth of the log's rows."""
    rows = list(stage.rows(LOG))
    some = max(1, len(rows) // 5)
    ends = {"first": rows[:some], "last": rows[-some:]}
    return {
        f"{name}_{key}": round(sum(row[key] for row in part) / len(part), 4)
        for key in ("reward", "pass_share")
        for name, part in ends.items()
        if part
    }
