"""The best checkpoint of a training by the problems that it solves, not by its loss.

Reads a ``problems.jsonl``, which must not be that of the final measurement: whoever chooses a checkpoint by a benchmark
has trained on it. Writes ``validation.jsonl`` beside the adapter. What is kept, resumed and loaded in the end is the
business of ``transformers.Trainer``; only its ``evaluate`` is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autovcoder.errors import ConfigError, InputError
from autovcoder.files import write_jsonl
from finetune.pass_rate import Measured, PassRate, ValidationSettings, same_random_streams

FILE = "validation.jsonl"
PROBLEMS = "validation_problems.jsonl"
"""Beside the checkpoints: the ids of the problems that a training is judged by."""
MERIT = "merit"
_COUNTS = ("passed", "compiled", "count", "pass_rate", "syntax_rate", "seconds")


def validation_arguments(settings: ValidationSettings, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by which a ``transformers.Trainer`` validates, keeps the best checkpoint and loads it at the end.

    A checkpoint is saved at each validation, since the best one could not be loaded otherwise; the newest one stays
    beside it for resumption.

    Args:
        given: the user's own arguments.

    Raises:
        ConfigError: one of them is decided here.
    """
    decided = {
        "eval_strategy": "steps",
        "eval_steps": settings.every,
        "save_strategy": "steps",
        "save_steps": settings.every,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": MERIT,
        "greater_is_better": True,
    }
    for key in given:
        if key in decided and given[key] != decided[key]:
            raise ConfigError(
                f"validation needs {key} to be {decided[key]}", where=f"sft.{key}", fix="leave it out, or set 'every'"
            )
    return decided


def validated(trainer_class: Any, pass_rate: PassRate, out: Path) -> Any:
    """``trainer_class`` with the pass rate measured at each evaluation, after its loss where it has an eval data set.

    Of several processes the first generates and the others wait for it: no longer than ``ddp_timeout``.

    Args:
        trainer_class: a ``transformers.Trainer``; needs the arguments of `validation_arguments`.
        out: where ``validation.jsonl`` goes.
    """
    from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]
    from transformers.integrations import is_deepspeed_zero3_enabled

    class Validated(trainer_class):  # type: ignore[misc]
        control: Any

        def __init__(self, **arguments: Any) -> None:
            # The trainer evaluates only where it has data sets; of none of them is there a loss to compute.
            super().__init__(**{"eval_dataset": {}} | arguments)
            if self.is_fsdp_enabled or is_deepspeed_zero3_enabled():
                raise InputError(
                    "validation needs the whole model in one process",
                    where="validation.problems",
                    fix="train without FSDP and ZeRO-3, or without validation",
                )
            self.add_callback(_resume_class()(pass_rate))
            self.pass_rate = pass_rate

        def evaluate(
            self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
        ) -> dict[str, float]:
            # Even a data loader draws from the streams of the training.
            with same_random_streams():
                metrics: dict[str, float] = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
            if eval_dataset is not None:
                return metrics
            is_first = self.is_world_process_zero()
            measured: Any = broadcast_object_list([pass_rate.measure(self.model) if is_first else None])[0]
            metrics |= _as_metrics(measured, self.state.global_step / self.state.max_steps)
            training = self.model.training
            self.model.eval()  # trl logs what it gathered in training otherwise
            self.log({key: metrics[key] for key in _as_metrics(measured, 0)})
            self.model.train(training)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            self.control.should_training_stop |= self.is_stale(self.state.log_history)
            if is_first:
                write_jsonl(out / FILE, validations(self.state.log_history))
            return metrics

        def is_stale(self, history: Sequence[Mapping[str, Any]]) -> bool:
            return _is_stale(history, pass_rate.settings.patience)

    return Validated


def _resume_class() -> Any:
    """The callback by which a resumed training knows its best checkpoint, its patience, and which problems it asks."""
    from transformers import TrainerCallback

    class Resume(TrainerCallback):
        def __init__(self, pass_rate: PassRate) -> None:
            self._pass_rate = pass_rate

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            folder = Path(args.output_dir)
            # The folder may have been moved, or be named from elsewhere, since the state was saved.
            if state.best_model_checkpoint:
                state.best_model_checkpoint = str(folder / Path(state.best_model_checkpoint).name)
            if state.is_world_process_zero:  # which alone asks
                folder.mkdir(parents=True, exist_ok=True)
                self._pass_rate.keep(folder / PROBLEMS)
            control.should_training_stop |= _is_stale(state.log_history, self._pass_rate.settings.patience)

    return Resume


def validations(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of ``validation.jsonl`` from a trainer's log: step, epoch, passed, compiled, count, rates, seconds.

    Of the log alone, which is part of each checkpoint: a resumed training repeats no row and loses none.
    """
    return [
        {"step": entry["step"], "epoch": entry["epoch"]} | {name: entry[f"eval_{name}"] for name in _COUNTS}
        for entry in history
        if f"eval_{MERIT}" in entry
    ]


def validation_facts(trainer: Any) -> dict[str, Any]:
    """What a stage says of its validations: the step whose weights it holds, what they solved and left out."""
    history = trainer.state.log_history
    rows = validations(history)
    best = next((row for row in rows if row["step"] == trainer.state.best_global_step), None)
    if best is None:
        return {}
    stopped = trainer.state.global_step < trainer.state.max_steps
    more = {"validations": len(rows), "stopped_early": stopped, "left_out": list(trainer.pass_rate.left_out)}
    return {"validation": best | more}


def merit(measured: Measured, progress: float) -> float:
    """Decides which checkpoint is the best: the pass rate; among equals, the share that compiles; then the later one.

    Without the last rule, a validation of which no checkpoint solves anything would throw the training away.

    Args:
        progress: the share of the training that is done, from 0 to 1.
    """
    return measured.passed + (measured.compiled + progress) / (measured.count + 2)


def _as_metrics(measured: Measured, progress: float) -> dict[str, float]:
    """What is logged; ``progress`` is the share of the training that is done."""
    count = measured.count
    return {
        "eval_pass_rate": measured.passed / count,
        "eval_syntax_rate": measured.compiled / count,
        "eval_passed": measured.passed,
        "eval_compiled": measured.compiled,
        "eval_count": count,
        "eval_seconds": measured.seconds,
        f"eval_{MERIT}": merit(measured, progress),
    }


def _is_stale(history: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    """Whether the last ``patience`` validations were all no better than one before; being later is not better."""
    if patience is None:
        return False
    found = [(row["passed"], row["compiled"]) for row in validations(history)]
    best = max(found, default=None)
    return best is not None and len(found) - 1 - found.index(best) >= patience
