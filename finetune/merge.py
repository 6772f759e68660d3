"""An adapter and its base joined into one model that needs no PEFT.

Reads a model folder and an adapter folder; writes a Hugging Face model folder: bf16 safetensors and the tokenizer.
"""

from __future__ import annotations

from pathlib import Path

from autovcoder.errors import InputError
from autovcoder.store import Manifest, Stage, read_manifest
from finetune.trainer import in_bfloat16, load_model, model_input, versions


def merge(model: str, adapter: Path, out: Path) -> Manifest:
    """Add the adapter's update to the weights, in float32, and save as bf16.

    Raises:
        StoreError: ``adapter`` is not a finished stage folder, or ``out`` holds another run's work.
        InputError: the adapter was trained on another model.
    """
    config, inputs = model_input(model)
    inputs["adapter"] = adapter
    with Stage(out, "finetune.merge", config=config, inputs=inputs, versions=versions()) as stage:
        if stage.manifest:
            return stage.manifest
        _check_origin(model, stage.inputs.get("model"), adapter)
        from peft import PeftModel
        from transformers import AutoTokenizer

        base, _ = load_model(model)
        merged = PeftModel.from_pretrained(base, adapter).merge_and_unload()
        stage.start()
        in_bfloat16(merged).save_pretrained(out)
        AutoTokenizer.from_pretrained(adapter).save_pretrained(out)
        return stage.finish(parameters=merged.num_parameters())


def _check_origin(model: str, content: str | None, adapter: Path) -> None:
    """Refuse another model than the adapter's: one of the same shape would take it without a word and answer noise.

    Args:
        content: the hash of ``model`` where it is a folder, None where it is a hub's id.
    """
    made = read_manifest(adapter)
    origin = made.config.get("model")
    same = made.inputs.get("model") == content if content else origin == model
    if not same:
        raise InputError(
            "the adapter was not trained on this model",
            where=f"adapter {adapter}, model {model}",
            fix=f"give the model {origin}" if origin else "give the model folder that its round started from",
        )
