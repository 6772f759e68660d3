"""LoRA adapters: what they are put on, how one is stacked on another, and how they are saved.

Reads adapter folders; writes ``adapter_config.json`` and ``adapter_model.safetensors``. An adapter that was trained on
top of another is saved as one with it, so that every tool can use it with the base model alone.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autovcoder.errors import ConfigError, InputError
from finetune.saving import saving

_FILE = "adapter_model.safetensors"
_MERGE = "merge it first: autovcoder finetune merge"
_FREE = (
    "r",
    "lora_alpha",
    "lora_dropout",
    "use_rslora",
    "target_modules",
    "init_lora_weights",
    "task_type",
    "peft_type",
    "inference_mode",
    "base_model_name_or_path",
    "revision",
    "auto_mapping",
    "peft_version",
)
"""What may differ between two adapters that become one; by all else, both must be plain: an update B A of a weight."""


def without_tied_head(lora: Any, model: Any) -> str | None:
    """Take the output layer from the target modules where it is the embedding too; returns its name, or None.

    An update of a tied weight would change both uses in training, but only one of them when it is merged.
    """
    head = model.get_output_embeddings()
    tied = head is not None and head.weight is model.get_input_embeddings().weight
    if not tied or not isinstance(lora.target_modules, set):
        return None
    name: str = next(name for name, module in model.named_modules() if module is head).rpartition(".")[2]
    if name not in lora.target_modules:
        return None
    lora.target_modules.discard(name)
    return name


def adapt(model: Any, lora: Any, seed: int) -> Any:
    """The model with a fresh adapter.

    Raises:
        ConfigError: the settings do not fit the model: a module to adapt is not there, or is a tied output layer or
            embedding, whose update would change both uses in training but only one when it is merged.
    """
    from peft import get_peft_model
    from transformers import set_seed
    from transformers.integrations import is_deepspeed_zero3_enabled

    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    tied = head is not None and head.weight is embedding.weight
    set_seed(seed)
    try:
        # ZeRO-3 gathers parameters of one type only.
        adapted: Any = get_peft_model(model, lora, autocast_adapter_dtype=not is_deepspeed_zero3_enabled())
    except (TypeError, ValueError) as error:
        raise ConfigError("the model cannot be adapted so", where="lora", fix=str(error)) from None
    if tied and (model.get_output_embeddings() is not head or model.get_input_embeddings() is not embedding):
        raise ConfigError(
            "the output layer is tied to the embedding, and neither can be adapted",
            where="lora",
            fix="take both from target_modules and modules_to_save",
        )
    # No embedding is resized here, so none has to be saved, also where the output layer is adapted.
    adapted.save_pretrained = functools.partial(adapted.save_pretrained, save_embedding_layers=False)
    return adapted


def merge_into(model: Any, adapter: str) -> Any:
    """The model with the adapter's update added to its weights.

    Raises:
        InputError: the adapter's files are damaged, or are not of this model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, SafetensorError) as error:
        raise InputError("the adapter cannot be merged", where=adapter, fix=str(error)) from None


def check_stackable(adapter: str, lora: Any) -> None:
    """Refuse what `join` cannot make one adapter of, before anything is trained.

    Raises:
        InputError, ConfigError: the adapter below, or the settings of the new one, are more than a plain LoRA.
    """
    from peft import LoraConfig, PeftConfig
    from safetensors import SafetensorError, safe_open
    from transformers.integrations import is_deepspeed_zero3_enabled

    if os.environ.get("ACCELERATE_USE_FSDP") == "true" or is_deepspeed_zero3_enabled():
        what = "under FSDP or ZeRO-3 no process can merge an adapter into its model"
        raise InputError(what, where=adapter, fix=_MERGE)
    try:
        below = PeftConfig.from_pretrained(adapter)
        with safe_open(Path(adapter) / _FILE, "pt") as weights:
            names = list(weights.keys())
    except (OSError, ValueError, TypeError, LookupError, SafetensorError) as error:
        raise InputError("the adapter cannot be read", where=adapter, fix=str(error)) from None
    if not isinstance(below, LoraConfig):
        raise InputError("only a LoRA can be stacked on", where=adapter, fix=_MERGE)
    check_plain(below, adapter, InputError)
    check_plain(lora, "lora", ConfigError)
    refuse_embeddings(names, adapter, InputError)


def check_plain(lora: Any, where: str, kind: type[InputError]) -> None:
    """Refuse a LoRA of which and another no one can be made, as ``kind``, by its settings."""
    from peft import LoraConfig

    defaults = LoraConfig().to_dict()
    for key, value in lora.to_dict().items():
        if key not in _FREE and value != defaults.get(key):
            raise kind(f"an adapter with {key} cannot be stacked", where=where, fix=_MERGE)
    if isinstance(lora.target_modules, str) and lora.target_modules != "all-linear":
        raise kind("an adapter whose target_modules are a pattern cannot be stacked", where=where, fix=_MERGE)
    if not isinstance(lora.init_lora_weights, bool):
        raise kind("an adapter with init_lora_weights of its own cannot be stacked", where=where, fix=_MERGE)


def refuse_embeddings(names: Iterable[str], where: str, kind: type[InputError]) -> None:
    """Refuse an adapter with weights of these names, as ``kind``, where it adapts an embedding: in other factors."""
    if any(".lora_embedding_" in name for name in names):
        raise kind("an adapter of an embedding cannot be stacked", where=where, fix=_MERGE)


def join(below: Path, above: Path) -> None:
    """Make the adapter in ``above`` the sum of both: B1 A1 + B2 A2 is [B1 B2] [A1; A2], of as many ranks as both have.

    A module that one of them leaves alone gets zeros there. The scales are put into B.
    """
    import torch
    from peft import LoraConfig
    from safetensors.torch import load_file, save_file

    configs = [LoraConfig.from_pretrained(str(folder)) for folder in (below, above)]
    states = [load_file(folder / _FILE) for folder in (below, above)]
    modules = sorted({key.rpartition(".lora_")[0] for state in states for key in state})
    joined = {}
    for module in modules:
        downs, ups = [], []
        known = next(state for state in states if f"{module}.lora_A.weight" in state)
        for config, state in zip(configs, states, strict=True):
            down, up = (known[f"{module}.lora_{part}.weight"] for part in "AB")
            if state is known or f"{module}.lora_A.weight" in state:
                down, up = state[f"{module}.lora_A.weight"], state[f"{module}.lora_B.weight"]
            else:
                down, up = down.new_zeros(config.r, down.shape[1]), up.new_zeros(up.shape[0], config.r)
            downs.append(down.float())
            ups.append(up.float() * _scale(config))
        joined[f"{module}.lora_A.weight"] = torch.cat(downs)
        joined[f"{module}.lora_B.weight"] = torch.cat(ups, dim=1)
    whole = configs[1]
    whole.target_modules = set(configs[0].target_modules) | set(configs[1].target_modules)
    whole.r = whole.lora_alpha = sum(config.r for config in configs)
    whole.use_rslora = False
    partial = above / f".{_FILE}.partial"
    with saving(above):
        save_file(joined, partial, metadata={"format": "pt"})
        partial.replace(above / _FILE)
        whole.save_pretrained(above)


def _scale(config: Any) -> float:
    return float(config.lora_alpha / (config.r**0.5 if config.use_rslora else config.r))


def save_adapter(trainer: Any, out: Path, *, main: bool) -> None:
    """Write the adapter into ``out``; called in every process, since the weights may be spread over them."""
    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped) if sharded else None
    if main:
        with saving(out):
            trainer.accelerator.unwrap_model(trainer.model).save_pretrained(out, state_dict=state)
