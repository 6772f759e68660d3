"""The trainer of the rounds: trl's, with rows in an order that a resumed run repeats, and with tokens that are counted.

Reads a data set of rows; writes checkpoints, and a line of progress to stderr where that is no terminal.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from finetune.clock import clock_class, validation_seconds
from finetune.packing import IGNORED, Collator, alike, best_fit_decreasing, by_tokens

_LOGGED = ("step", "epoch", "loss", "learning_rate", "grad_norm", "tokens")


class EpochOrder:
    """A sampler: rows of like length together, in another order each epoch, which depends on seed and epoch alone.

    The samplers of transformers draw from the stream that the model draws from too: resumed in the second epoch, a
    training would see the rows in another order than if it had not been interrupted.
    """

    def __init__(self, lengths: Sequence[int], group: int, seed: int) -> None:
        self.epoch = 0
        self._lengths, self._group, self._seed = lengths, group, seed

    def __iter__(self) -> Iterator[int]:
        return (i for group in alike(self._lengths, self._group, self._seed, self.epoch) for i in group)

    def __len__(self) -> int:
        return len(self._lengths)


def trainer_class() -> Any:
    """A ``trl.SFTTrainer`` that is fed with rows of our own making.

    The loss is trl's where there are kernels for it, which never hold all logits of a batch, and our own on a CPU,
    where trl's took a sixth of each step of a small model, and for a LoRA on the output layer, which trl does not
    train.
    """
    from trl import SFTTrainer

    class RoundTrainer(_Fed, SFTTrainer):  # type: ignore[misc, unused-ignore]
        pass

    return RoundTrainer


_Trainer: Any = object


class _Fed(_Trainer):  # type: ignore[misc]
    """What is ours of a `trainer_class`; above ``trl.SFTTrainer`` in its bases."""

    def __init__(self, *, model: Any, args: Any, **others: Any) -> None:
        """``model``: with its adapter. The data comes later, by ``feed``: an error until then has cost nothing."""
        from datasets import Dataset
        from transformers import PrinterCallback

        self.order: EpochOrder | None = None
        self.own_loss = args.loss_type == "nll" and (args.use_cpu or _trains_the_head(model))
        self._takes_columns = "logits_to_keep" in inspect.signature(model.get_base_model().forward).parameters
        with _head_unseen(model) if self.own_loss else nullcontext():
            super().__init__(
                model=model,
                args=args,
                train_dataset=Dataset.from_dict({"rows": [[[0]]], "length": [1]}),
                data_collator=list,
                **others,
            )
        self.remove_callback(PrinterCallback)  # it writes to stdout
        self.progress = _progress_class()(self)
        self.add_callback(self.progress)

    def feed(self, examples: Any, *, packed: bool, pad: int, tokens_per_batch: int | None) -> None:
        """Give it the data.

        Args:
            examples: of `finetune.corpus.open_examples`. ``pad``: the token that fills rows.
            packed: whether a row holds several examples, up to ``max_length`` tokens.
            tokens_per_batch: the most tokens of a batch, padding included; None makes batches of
                ``per_device_train_batch_size`` rows.
        """
        from datasets import Dataset

        lengths = list(examples["length"])
        rows = best_fit_decreasing(lengths, self.args.max_length) if packed else [[i] for i in range(len(lengths))]
        multiple = self.args.pad_to_multiple_of if isinstance(self.args.pad_to_multiple_of, int) else 1
        sizes = [-(-sum(lengths[i] for i in row) // multiple) * multiple for row in rows]
        items = by_tokens(sizes, tokens_per_batch) if tokens_per_batch else [[i] for i in range(len(rows))]
        longest = [max(sizes[i] for i in item) for item in items]
        self.train_dataset = Dataset.from_dict({"rows": [[rows[i] for i in item] for item in items], "length": longest})
        self.data_collator = Collator(examples, pad, packed, multiple)
        grouped = self.args.train_sampling_strategy == "group_by_length" and not tokens_per_batch
        each_step = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        self.order = EpochOrder(longest, each_step if grouped else 1, seed)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.args.train_sampling_strategy == "sequential":
            return super()._get_train_sampler(train_dataset)
        return self.order

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        self.progress.count(inputs.pop("tokens"), inputs["input_ids"].numel())
        return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs.pop("tokens", None)
        if not self.own_loss:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss, outputs, learned = _loss(model, inputs, self._takes_columns, self.args.label_smoothing_factor)
        loss = loss / (learned if num_items_in_batch is None else num_items_in_batch)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            # It is the number of all processes, over which the gradients are averaged then.
            loss = loss * self.accelerator.num_processes
        if self.aux_loss_enabled:  # the balance of a mixture's experts, as trl weighs it
            steps = 1 if num_items_in_batch is None else self.current_gradient_accumulation_steps
            loss = loss + self.router_aux_loss_coef * outputs.aux_loss / steps
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs["tokens"] = self.progress.tokens
        super().log(logs, start_time)


def _loss(model: Any, inputs: dict[str, Any], takes_columns: bool, smoothing: float) -> tuple[Any, Any, Any]:
    """The summed cross-entropy of a batch, the model's outputs, and how many tokens are learned.

    Logits are made for the positions of which any row learns the next token, and no others.
    """
    import torch

    labels = inputs.pop("labels")[:, 1:]
    columns = (labels != IGNORED).any(dim=0).nonzero().flatten()
    if takes_columns:
        outputs = model(**inputs, use_cache=False, logits_to_keep=columns)
        logits = outputs.logits
    else:
        outputs = model(**inputs, use_cache=False)
        logits = outputs.logits[:, columns]
    targets = labels[:, columns].flatten()
    loss = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )
    return loss, outputs, (targets != IGNORED).sum().clamp(min=1)


def _progress_class() -> Any:
    kind: Any = clock_class()

    class Progress(kind):  # type: ignore[misc]
        """What was trained so far, in all processes; part of each checkpoint, so that a kill loses none of it.

        Attributes:
            tokens: without padding; ``cells``: with it. ``seconds``: wall time, also of the runs before.
        """

        def __init__(self, trainer: Any) -> None:
            super().__init__()
            self.trainer = trainer
            self.tokens = self.cells = 0

        def count(self, tokens: Any, cells: int) -> None:
            import torch

            both = torch.cat([tokens, tokens.new_tensor([cells])])
            both = self.trainer.accelerator.reduce(both, reduction="sum")
            self.tokens += int(both[0])
            self.cells += int(both[1])

        def state(self) -> dict[str, Any]:
            return {"args": {}, "attributes": {"tokens": self.tokens, "cells": self.cells, "before": self.seconds}}

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            # Accelerate's own way to the sampler ends at the wrapper that skips the batches of before a resumption.
            if self.trainer.order:
                self.trainer.order.epoch = int(state.epoch or 0)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
            if args.disable_tqdm and state.is_world_process_zero and "loss" in logs:
                done = f"step {state.global_step} of {state.max_steps}"
                speed = self.tokens / _seconds(self.trainer)
                sys.stderr.write(f"{done}: loss {logs['loss']:.4f}, {speed:,.0f} tokens/s\n")

    return Progress


def _seconds(trainer: Any) -> float:
    """Of training alone; above 0."""
    return max(float(trainer.progress.seconds - validation_seconds(trainer)), 1e-9)


def training_log(trainer: Any) -> list[dict[str, Any]]:
    """The rows of ``training_log.jsonl``: step, epoch, loss since the row before, learning rate, gradient norm, tokens.

    It is part of each checkpoint: a resumed training repeats no row and loses none.
    """
    rows = (entry for entry in trainer.state.log_history if "loss" in entry)
    return [{name: entry[name] for name in _LOGGED if name in entry} for entry in rows]


def training_facts(trainer: Any) -> dict[str, Any]:
    """What a manifest says of the training: tokens without padding, their speed (validation not counted), and the
    share of padding.
    """
    done = trainer.progress
    return {
        "tokens": done.tokens,
        "tokens_per_second": round(done.tokens / _seconds(trainer), 1),
        "padding": round(1 - done.tokens / max(done.cells, 1), 4),
        "processes": trainer.args.world_size,
    }


def _trains_the_head(adapted: Any) -> bool:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return isinstance(adapted.get_output_embeddings(), BaseTunerLayer)


@contextmanager
def _head_unseen(adapted: Any) -> Iterator[None]:
    """Trl refuses a LoRA on the output layer because its own loss passes it by; ours does not."""
    adapted.get_output_embeddings = lambda: None
    try:
        yield
    finally:
        del adapted.get_output_embeddings
