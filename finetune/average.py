"""The weighted mean of models of one shape: what several trainings from one start know, in one model.

Reads model folders; writes a Hugging Face model folder: bf16 safetensors and the tokenizer of the first. After
"Model soups" (Wortsman et al., 2022, arXiv 2203.05482).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.models.transformers_engine import quiet
from autovcoder.store import Manifest, Stage
from finetune.model_card import write_card
from finetune.saving import saving
from finetune.trainer import in_bfloat16, load_model, model_input, versions

_COMPUTES_NOTHING = frozenset(
    ["_name_or_path", "architectures", "bos_token_id", "dtype", "eos_token_id", "initializer_range", "pad_token_id",
     "transformers_version", "use_cache"]
)  # fmt: skip
"""Settings of a model's file that change nothing of what its weights compute."""


def average(models: Sequence[str], out: Path, weights: Sequence[float] = ()) -> Manifest:
    """Average the weights in float32 and save them as bf16.

    Args:
        models: two or more, folders or ids, of one architecture and one tokenizer.
        weights: one a model, positive; scaled to a sum of 1. None: all count alike.

    Raises:
        InputError: fewer than two models, weights that do not fit, or models of another
            architecture or tokenizer.
        StoreError: ``out`` holds another run's work. ModelError: a model cannot be loaded.
    """
    if len(models) < 2:
        raise InputError("one model has no average", where=", ".join(models), fix="name two or more")
    shares = _shares(models, weights)
    config: dict[str, Any] = {"weights": shares}
    inputs: dict[str, Path] = {}
    for number, name in enumerate(models, 1):
        named, folders = model_input(name)
        config |= {f"{key} {number}": value for key, value in named.items()}
        inputs |= {f"{key} {number}": value for key, value in folders.items()}
    with Stage(out, "finetune.average", config=config, inputs=inputs, versions=versions()) as stage, quiet():
        if stage.manifest:
            return stage.manifest
        model, tokenizer = load_model(models[0])
        for tensor in model.parameters():  # shared ones once, so that tied layers stay tied
            tensor.data.mul_(shares[0])
        for name, share in zip(models[1:], shares[1:], strict=True):
            _add(model, tokenizer, name, share)
        stage.start()
        with saving(out):
            in_bfloat16(model).save_pretrained(out)
            tokenizer.save_pretrained(out)
        facts: dict[str, float] = {"parameters": model.num_parameters()}
        facts |= {f"share of model {number}": share for number, share in enumerate(shares, 1)}
        write_card(stage, facts)
        return stage.finish(**facts)


def _add(model: Any, tokenizer: Any, name: str, share: float) -> None:
    """Add ``share`` of another model's weights to ``model``; in a function, so that two are in memory and no third."""
    other, its_tokenizer = load_model(name)
    total, added = dict(model.named_parameters()), dict(other.named_parameters())
    fix = "average models that began as one"
    if _shapes(added) != _shapes(total):
        raise InputError("this model has weights of other names or shapes", where=name, fix=fix)
    if its_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise InputError("this model has another tokenizer", where=name, fix=fix)
    ours, theirs = _architecture(model), _architecture(other)
    if differing := sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)):
        raise InputError(f"this model has another {', '.join(differing)}", where=f"{name}: config.json", fix=fix)
    for key, tensor in total.items():
        tensor.data.add_(added[key].data, alpha=share)


def _shapes(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tensor.shape for name, tensor in weights.items()}


def _architecture(model: Any) -> dict[str, Any]:
    """The settings that say what the weights compute, and not where they came from, how they were stored or trained."""
    return _computing(model.config.to_dict())


def _computing(config: Mapping[Any, Any]) -> dict[Any, Any]:
    kept = {key: value for key, value in config.items() if key not in _COMPUTES_NOTHING and "dropout" not in str(key)}
    return {key: _computing(value) if isinstance(value, Mapping) else value for key, value in kept.items()}


def _shares(models: Sequence[str], weights: Sequence[float]) -> list[float]:
    given = [*weights] or [1.0] * len(models)
    if len(given) != len(models):
        raise InputError(
            f"{len(models)} models have {len(given)} weights", where="--weight", fix="give one a model, or none"
        )
    if not all(math.isfinite(weight) and weight > 0 for weight in given):
        raise InputError("a weight is not a positive number", where="--weight", fix="leave out what shall not count")
    return [weight / math.fsum(given) for weight in given]
