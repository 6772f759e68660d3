"""The settings of a round, and what they are to the libraries.

Reads settings; writes nothing. The sections ``lora``, ``sft`` and ``quantization`` are those of peft, trl and
transformers, key by key: what these do not know is an error, and so is what would change nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator

from autovcoder.config import Settings
from autovcoder.errors import ConfigError, InputError
from finetune.adapters import check_plain
from finetune.context import SampledContext
from finetune.pass_rate import ValidationSettings
from finetune.setting_checks import ALWAYS_DECIDED, refuse_decided
from finetune.trainer import checked, quantization, sft_defaults
from finetune.validation import validation_arguments

LORA_DEFAULTS: dict[str, Any] = {
    "r": 64,
    "lora_alpha": 128,
    "lora_dropout": 0.0,
    "target_modules": "all-linear",
    "task_type": "CAUSAL_LM",
}
"""For a model of a few million parameters; the paper's r 32 and alpha 64 are for 7 billion (see the presets)."""

DECIDED = {
    **ALWAYS_DECIDED,
    "dataset_kwargs": "rows are made here",
    "dataset_text_field": "rows are made here",
    "dataset_num_proc": "rows are made here",
    "length_column_name": "rows are made here",
    "eos_token": "the tokenizer's own is used",
    "pad_token": "the tokenizer's own is used",
    "shuffle_dataset": "rows are shuffled anew each epoch",
    "packing": "set packing, beside sft: auto, on or off",
    "packing_strategy": "set packing, beside sft: auto, on or off",
    "padding_free": "set packing, beside sft: auto, on or off",
    "eval_packing": "set packing, beside sft: auto, on or off",
    "truncation_mode": "what is too long is dropped, never cut",
    "completion_only_loss": "round 1 learns whole texts (see learn_comments), round 2 answers",
    "assistant_only_loss": "round 1 learns whole texts (see learn_comments), round 2 answers",
    "chat_template_path": "the model's own chat template is used, in training and afterwards",
    "trust_remote_code": "code of a model's repository is never run",
}
"""Keys of ``trl.SFTConfig`` that would change nothing here, or break what is promised."""


_WHICH = dict.fromkeys(
    ("revision", "subfolder", "variant"),
    "whoever merges or asks the model later knows its name alone; download these weights and give their folder",
)


class RoundSettings(Settings):
    """One round of LoRA.

    Attributes:
        prefix: text put before every round-1 document, for models that mark RTL by a role token.
        learn_comments: whether round 1 learns comments too, and does not only read them. A small model has better use
            for its weights than the many ways in which a module can be described.
        limit: the most rows read; None reads all.
        packing: whether a row of ``sft.max_length`` tokens holds several examples, which cannot see each other;
            ``auto`` where the model keeps them apart, which is tried out.
        tokens_per_batch: the most tokens a batch and process, padding included, instead of a number of rows
            (``sft.per_device_train_batch_size``); batches are made once, and shuffled each epoch.
        lora: arguments of ``peft.LoraConfig``; ``sft`` those of ``trl.SFTConfig``. Both win over the defaults here.
            A row longer than ``sft.max_length`` tokens is dropped; None drops none.
        quantization: arguments of ``transformers.BitsAndBytesConfig``, for QLoRA; empty quantizes nothing.
        context: what stands before the problems of round 2, so that retrieval finds a model that can use it.
        validation: problems that the model in training answers now and then, and is judged by.
    """

    seed: int = 0
    prefix: str = ""
    learn_comments: bool = True
    limit: PositiveInt | None = None
    packing: Literal["auto", "on", "off"] = "auto"
    tokens_per_batch: PositiveInt | None = None
    lora: dict[str, Any] = Field(default_factory=dict)
    sft: dict[str, Any] = Field(default_factory=dict)
    quantization: dict[str, Any] = Field(default_factory=dict)
    context: SampledContext = SampledContext()
    validation: ValidationSettings = ValidationSettings()

    @field_validator("packing", mode="before")
    @classmethod
    def _yaml_reads_on_as_true(cls, value: Any) -> Any:
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def sft_config(settings: RoundSettings, out: Path) -> Any:
    """The ``trl.SFTConfig`` of a round whose stage folder is ``out``.

    Raises:
        ConfigError: a key is unknown or is decided here, a value is refused, or two settings contradict each other.
    """
    from trl import SFTConfig

    refuse_decided("sft", settings.sft, DECIDED)
    values = sft_defaults(out, settings.seed) | settings.sft
    values["dataset_kwargs"] = {"skip_prepare_dataset": True}
    if settings.validation.problems:
        values |= validation_arguments(settings.validation, settings.sft)
    if settings.tokens_per_batch:
        if values["per_device_train_batch_size"] != 1 and "per_device_train_batch_size" in settings.sft:
            raise ConfigError(
                "a batch is of so many rows or of so many tokens",
                where="tokens_per_batch, sft.per_device_train_batch_size",
                fix="leave one out",
            )
        values["per_device_train_batch_size"] = 1  # an item of the data set is a batch then
        if values["max_length"] is not None and settings.tokens_per_batch < values["max_length"]:
            raise ConfigError(
                "a batch must have room for the longest row",
                where=f"tokens_per_batch ({settings.tokens_per_batch})",
                fix=f"make it sft.max_length ({values['max_length']}) or more",
            )
    if settings.packing == "on" and values["max_length"] is None:
        raise ConfigError("packing needs a length to fill", where="sft.max_length", fix="set it, or packing: off")
    return checked(SFTConfig, "sft", values)


def check_round(settings: RoundSettings, out: Path, below: str | None = None) -> None:
    """Refuse what a round in ``out`` would refuse before it loads its model; and what is no part of a stack.

    Args:
        below: the adapter that it will be stacked on, or None.

    Raises:
        ConfigError: as `sft_config` and `loading_options`, or the LoRA is unknown, or none to be stacked.
        InputError: the problems to validate with are not there. ToolMissing: quantization cannot be done here.
    """
    from peft import LoraConfig

    sft = sft_config(settings, out)
    check_plain(checked(LoraConfig, "lora", LORA_DEFAULTS | settings.lora), "lora", ConfigError)
    loading_options(settings, sft, below)
    problems = settings.validation.problems
    if problems is not None and not problems.is_file():
        raise InputError("no problems to validate with", where=problems, fix="give a problems.jsonl")


def loading_options(settings: RoundSettings, sft: Any, below: str | None) -> Mapping[str, Any]:
    """How the model is loaded: ``sft.model_init_kwargs``, and the quantization.

    Args:
        sft: of `sft_config`. ``below``: the adapter that is merged into the model, or None.

    Raises:
        ConfigError: something of it cannot be. ToolMissing: quantization cannot be done here.
    """
    options = {} if sft.model_init_kwargs is None else sft.model_init_kwargs
    if not isinstance(options, dict):
        raise ConfigError("expected a mapping of names to values", where="sft.model_init_kwargs", fix="{dtype: ...}")
    if options.get("trust_remote_code"):
        refuse_decided("sft.model_init_kwargs", {"trust_remote_code": True}, DECIDED)
    refuse_decided("sft.model_init_kwargs", options, _WHICH)
    bits = quantization(settings.quantization)
    if bits is None:
        return options
    if below:
        fix = "merge it first: autovcoder finetune merge"
        raise ConfigError("an adapter cannot be merged into a quantized model", where="quantization", fix=fix)
    from accelerate import PartialState  # type: ignore[import-untyped]

    return {**options, "quantization_config": bits, "device_map": {"": PartialState().local_process_index}}
