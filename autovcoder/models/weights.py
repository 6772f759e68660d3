"""Which weights a model has: loaded whole or refused, an adapter's base, and what identifies them.

Reads a model's folder or the Hugging Face cache, and the manifest of an adapter that was trained here; writes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError, ModelError
from autovcoder.models.local import resolve
from autovcoder.records import content_id
from autovcoder.store import MANIFEST, Manifest, hash_input, read_manifest

_ADAPTER = "adapter_config.json"
_EXPORT = "finetune.export"


def load_weights(where: Path | str, **options: Any) -> Any:
    """The causal language model at ``where``; Python code that a folder or a repository brings along is never run.

    Args:
        options: arguments of ``AutoModelForCausalLM.from_pretrained``.

    Raises:
        ModelError: the checkpoint lacks weights, or has some of other shapes than its settings say.
        Exception: whatever the libraries raise while loading, of which there are dozens of kinds.
    """
    from transformers import AutoModelForCausalLM

    auto_model: Any = AutoModelForCausalLM
    # What is missing or does not fit would be filled with random numbers; it is refused below, by its name. And where
    # nothing is said of code that comes along, transformers asks whoever sits at the terminal whether to run it.
    ours = {"output_loading_info": True, "ignore_mismatched_sizes": True, "trust_remote_code": False}
    model, report = auto_model.from_pretrained(where, **options | ours)
    misfits = sorted(name for name, *_ in report["mismatched_keys"])
    if misfits:
        what = "the checkpoint has weights of other shapes than config.json says"
        raise ModelError(what, where=where, fix=", ".join(misfits[:3]))
    if report["missing_keys"]:
        raise ModelError("the checkpoint lacks weights", where=where, fix=", ".join(sorted(report["missing_keys"])[:3]))
    return model


def is_adapter(model: Path | str) -> bool:
    """Whether a model's folder holds a LoRA adapter."""
    return (Path(model) / _ADAPTER).is_file()


def base_of(adapter: Path) -> Path | str:
    """The base model of an adapter folder; a relative folder is taken from here, then from the adapter's own place.

    What was trained here knows its base: another one is refused. An adapter from elsewhere, or one that was exported to
    be used elsewhere, with a base that somebody put beside it, only has the name.

    Raises:
        InputError: the adapter's settings cannot be read, or the base is not what it was trained on.
        ModelError: there is no such base.
    """
    return _base_and_hash(adapter)[0]


def _base_and_hash(adapter: Path) -> tuple[Path | str, str | None]:
    """`base_of`, and the hash of the base where it is a folder and had to be compared."""
    path = adapter / _ADAPTER
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError("the adapter's settings cannot be read", where=path, fix=str(error)) from None
    if not isinstance(name, str) or not name:
        raise InputError("the adapter's settings do not name its base", where=path)
    beside = adapter / name
    base = beside if not Path(name).is_dir() and beside.is_dir() else resolve(name)
    if not (adapter / MANIFEST).exists() or read_manifest(adapter).stage == _EXPORT:
        return base, None
    content = hash_input(base) if isinstance(base, Path) else None
    check_origin(str(base), content, adapter)
    return base, content


def check_origin(model: str, content: str | None, adapter: Path) -> None:
    """Refuse another model than the adapter's: one of the same shape would take it without a word and answer noise.

    Args:
        content: the hash of ``model`` where it is a folder, None where it is a hub's id.

    Raises:
        StoreError: ``adapter`` is not a finished stage folder. InputError: it was trained on another model.
    """
    name, expected = _origin(read_manifest(adapter))
    same = expected == content if content else name == model
    if not same:
        raise InputError(
            "the adapter was not trained on this model",
            where=f"adapter {adapter}, model {model}",
            fix=f"give the model {name}" if name else "give the model folder that its round started from",
        )


def _origin(made: Manifest) -> tuple[str | None, str | None]:
    """(hub id, hash of the folder) of an adapter's base; one of them is None. A stacked one names its ``base``."""
    if "base" in made.inputs or "base" in made.config:
        return made.config.get("base"), made.inputs.get("base")
    return made.config.get("model"), made.inputs.get("model")


def weights_id(where: Path | str) -> str | None:
    """What identifies the weights in a model's folder, whose name does not say which they are; None of a hub's id.

    Of an adapter, its base counts too where that is a local folder: an adapter on another base is another model.

    Raises:
        InputError, ModelError: as `base_of`. StoreError: a folder is a stage that did not finish.
    """
    if not isinstance(where, Path):
        return None
    base, content = _base_and_hash(where) if is_adapter(where) else (None, None)
    return content_id(hash_input(where), content or hash_input(base)) if isinstance(base, Path) else hash_input(where)
