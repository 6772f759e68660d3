"""The two LoRA rounds of the paper (arXiv 2407.18333): how Verilog is written, then how a problem is solved.

Round 1 reads RTL texts and learns all of their tokens, or all but their comments; round 2 reads
verified pairs and learns the answers only. Each writes a PEFT adapter folder with the tokenizer and
``training_log.jsonl``; ``finetune.merge`` joins it with its model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from autovcoder.errors import ConfigError, InputError
from autovcoder.files import write_jsonl
from autovcoder.models.transformers_engine import quiet
from autovcoder.models.weights import base_of, is_adapter
from autovcoder.prompt import ANSWERS_WITH_CODE
from autovcoder.store import Manifest, Stage, read_manifest
from finetune import adapters
from finetune.checkpoints import CHECKPOINTS, finish, take_back_checkpoints
from finetune.corpus import Row, encode, encode_pair, open_examples, read_pairs, read_texts, write_examples
from finetune.model_card import describe_data, describe_lora, describe_recipe, write_card
from finetune.packing import mixes_packed
from finetune.pass_rate import PassRate, ValidationSettings
from finetune.processes import from_main, is_main, join_group
from finetune.round_settings import LORA_DEFAULTS, RoundSettings, loading_options, sft_config
from finetune.round_trainer import trainer_class, training_facts, training_log
from finetune.saving import saving
from finetune.trainer import checked, load_model, make_trainer, model_input, train, versions
from finetune.validation import validated, validation_facts

__all__ = ["LORA_DEFAULTS", "RoundSettings", "encode_pair", "round1", "round2"]


def round1(model: str, corpus: Path, out: Path, settings: RoundSettings) -> Manifest:
    """Plain language modelling on the ``text`` of ``rtl.jsonl``, or of a corpus' shards (``data/*.parquet``).

    Args:
        model: a Hugging Face id or model folder, or the folder of a finished round, on whose adapter this one is
            stacked; ``corpus``: a finished stage folder; ``out``: a stage folder.

    Raises:
        StoreError: an input is not finished, or ``out`` holds another run's work.
        ConfigError: a key of ``lora``, ``sft`` or ``quantization`` is unknown, or a value is refused.
        ModelError: the model cannot be loaded. ToolMissing: something that the settings ask for is not installed.
        InputError: no row can be used, or the model cannot be trained so.
    """
    return _train_adapter("finetune.round1", model, corpus, out, settings, lambda: read_texts(corpus))


def round2(model: str, pairs: Path, out: Path, settings: RoundSettings) -> Manifest:
    """Problem to answer on ``pairs.jsonl``, with the model's chat template where it has one, loss on the answer only.

    Args and raises: as ``round1``.
    """
    return _train_adapter(
        "finetune.round2",
        model,
        pairs,
        out,
        settings,
        lambda: read_pairs(pairs, settings.context, settings.seed),
    )


@dataclass(frozen=True)
class _Plan:
    """What a round was asked for.

    Attributes:
        name: of the stage. ``config``, ``inputs``: as its manifest will hold them.
        model: to load; ``below``: the adapter folder that is merged into it first, or None.
        read: the rows of the data, from the beginning.
    """

    name: str
    config: dict[str, Any]
    inputs: dict[str, Path]
    model: str
    below: str | None
    out: Path
    settings: RoundSettings
    read: Callable[[], Iterator[Row]]


def _train_adapter(
    name: str, model: str, data: Path, out: Path, settings: RoundSettings, read: Callable[[], Iterator[Row]]
) -> Manifest:
    config, inputs = model_input(model)
    base, below = model, None
    if is_adapter(model):
        read_manifest(Path(model))  # what is no finished round says nothing of its base
        base, below = str(base_of(Path(model))), model
        under_config, under_inputs = model_input(base)
        config |= {"base": base} if under_config else {}
        inputs |= {"base": Path(base)} if under_inputs else {}
    config |= settings.model_dump(mode="json")
    read_manifest(data)
    inputs["data"] = data
    if settings.validation.problems:
        inputs["validation"] = settings.validation.problems
    plan = _Plan(name, config, inputs, base, below, out, settings, lambda: islice(read(), settings.limit))
    join_group(settings.sft.get("ddp_timeout"), settings.sft.get("ddp_backend"))
    with _stage(plan) if is_main() else nullcontext() as stage, ExitStack() as used:
        used.enter_context(quiet())
        if stage:
            take_back_checkpoints(stage)
        if from_main(stage is not None and stage.done):
            return read_manifest(out)
        return _train(plan, stage, used)


def _stage(plan: _Plan) -> Stage:
    return Stage(
        plan.out, plan.name, config=plan.config, inputs=plan.inputs, seed=plan.settings.seed, versions=versions()
    )


def _train(plan: _Plan, stage: Stage | None, used: ExitStack) -> Manifest:
    """``stage``: None in the processes that only take part in the training. ``used``: what is closed at the end."""
    trainer, tokenizer, packed, most = _make_trainer(plan, used)
    file = plan.out / CHECKPOINTS / "examples.arrow"
    if stage:
        _encode_data(plan, tokenizer, most, stage, file)
    from_main(None)
    examples = open_examples(file)
    pad = next((t for t in (tokenizer.pad_token_id, tokenizer.eos_token_id) if t is not None), 0)
    trainer.feed(examples, packed=packed, pad=pad, tokens_per_batch=plan.settings.tokens_per_batch)
    made = {"examples": len(examples), "packed": packed} | train(trainer) | training_facts(trainer)
    adapters.save_adapter(trainer, plan.out, main=stage is not None)
    if stage:
        _finish(plan, stage, trainer, tokenizer, made | validation_facts(trainer))
    from_main(None)
    return read_manifest(plan.out)


def _finish(plan: _Plan, stage: Stage, trainer: Any, tokenizer: Any, facts: dict[str, Any]) -> None:
    """What belongs to the adapter, once that is saved."""
    from transformers.trainer_pt_utils import get_model_param_count

    out = plan.out
    facts["trainable_parameters"] = get_model_param_count(trainer.model, trainable_only=True)  # sharded ones too
    if plan.below:
        facts["lora"] = describe_lora(out)  # joined, the adapter tells nothing of the two any more
        adapters.join(Path(plan.below), out)
        facts["stacked_on"] = plan.below
    with saving(out):
        tokenizer.save_pretrained(out)
    write_jsonl(out / "training_log.jsonl", training_log(trainer))
    facts |= {"data": describe_data(plan.inputs["data"]), "recipe": describe_recipe(trainer.args)}
    write_card(stage, facts)
    finish(stage, **facts)


def _make_trainer(plan: _Plan, used: ExitStack) -> tuple[Any, Any, bool, int | None]:
    """The trainer without its data, the tokenizer, whether rows are packed, and the most tokens of an example.

    Nothing is written on the way.
    """
    from peft import LoraConfig

    settings = plan.settings
    sft, lora = sft_config(settings, plan.out), checked(LoraConfig, "lora", LORA_DEFAULTS | settings.lora)
    if plan.below:
        adapters.check_stackable(plan.below, lora)
    base, tokenizer = load_model(plan.model, **loading_options(settings, sft, plan.below))
    sft.model_init_kwargs = None  # used up; trl warns that it does not use them
    if plan.name == "finetune.round2":
        tokenizer.init_kwargs[ANSWERS_WITH_CODE] = True  # from now on: validation asks as the finished model is asked
    if plan.below:
        base = adapters.merge_into(base, plan.below)
    packed = _packs(base, settings, sft)
    if head := adapters.without_tied_head(lora, base):
        _say(f"{head} is left out of the LoRA: it is tied to the embedding")
    adapted = adapters.adapt(base, lora, settings.seed)
    if plan.below:
        adapters.refuse_embeddings((name for name, _ in adapted.named_parameters()), "lora", ConfigError)
    kind: Any = trainer_class()
    if settings.validation.problems:
        kind = validated(kind, _pass_rate(plan, tokenizer, used), plan.out)
    trainer = make_trainer(kind, "sft", model=adapted, args=sft, processing_class=tokenizer)
    context = getattr(base.config.get_text_config(), "max_position_embeddings", None)
    most = min((length for length in (sft.max_length, context) if length), default=None)
    return trainer, tokenizer, packed, most


@dataclass(frozen=True)
class _Waiting:
    """What the processes that only wait for a validation know of it."""

    settings: ValidationSettings


def _pass_rate(plan: _Plan, tokenizer: Any, used: ExitStack) -> Any:
    """The validation's problems, in the first process, which alone asks and simulates them."""
    if not is_main():
        return _Waiting(plan.settings.validation)
    from hdl_sim.icarus_pool import IcarusPool

    pass_rate = PassRate(plan.settings.validation, tokenizer, used.enter_context(closing(IcarusPool())))
    pass_rate.copies(row["problem"] or row["text"] for row in plan.read())
    return pass_rate


def _packs(model: Any, settings: RoundSettings, sft: Any) -> bool:
    """Whether rows are packed.

    Raises:
        InputError: ``packing`` is on, and the model would let examples of a row see each other.
    """
    if settings.packing == "off" or sft.max_length is None:
        return False
    reason = from_main(_mixes(model, sft) if is_main() else None)
    if reason and settings.packing == "on":
        raise InputError("this model cannot be trained on packed rows", where=reason, fix="set packing: off")
    if reason:
        _say(f"rows are not packed, but of like length: {reason}")
    return reason is None


def _mixes(model: Any, sft: Any) -> str | None:
    import torch
    from transformers.integrations import is_deepspeed_zero3_enabled

    if is_deepspeed_zero3_enabled():
        return "under ZeRO-3 no process has the whole model to try it out"
    if (
        torch.cuda.is_available()
        and os.environ.get("ACCELERATE_USE_FSDP") != "true"
        and not getattr(model, "hf_device_map", None)
    ):
        model.to(sft.device)  # where it goes anyway; flash attention runs only there
    return mixes_packed(model)


def _encode_data(plan: _Plan, tokenizer: Any, most: int | None, stage: Stage, file: Path) -> None:
    """Write the examples, unless a run before wrote them all.

    Raises:
        InputError: there is none, or the tokenizer has no end token.
    """
    if tokenizer.eos_token_id is None:
        raise InputError("the tokenizer has no end token, so no answer would end", where=plan.model)
    if file.exists():
        return
    settings = plan.settings
    examples = encode(
        plan.read(), tokenizer, prefix=settings.prefix, learn_comments=settings.learn_comments, most=most, stage=stage
    )
    first = next(examples, None)
    if first is None:
        dropped = plan.out / "dropped.jsonl"
        raise InputError(
            "no training example is left",
            where=plan.inputs["data"],
            fix=f"see {dropped}" if dropped.exists() else "it has no rows",
        )
    stage.start()
    write_examples(chain([first], examples), file)


def _say(line: str) -> None:
    if is_main():
        sys.stderr.write(line + "\n")
