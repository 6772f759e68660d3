"""An adapter and its base joined into one model that needs no PEFT.

Reads a model folder and an adapter folder; writes a Hugging Face model folder: bf16 safetensors and the tokenizer.
"""

from __future__ import annotations

from pathlib import Path

from autovcoder.errors import InputError
from autovcoder.models.transformers_engine import quiet
from autovcoder.models.weights import check_origin
from autovcoder.store import Manifest, Stage
from finetune.adapters import merge_into
from finetune.model_card import write_card
from finetune.saving import saving
from finetune.trainer import in_bfloat16, load_model, model_input, versions


def merge(model: str, adapter: Path, out: Path) -> Manifest:
    """Add the adapter's update to the weights, in float32, and save as bf16.

    Args:
        model: what the adapter was trained on; of an adapter stacked on another, what the lower one was trained on.

    Raises:
        StoreError: ``adapter`` is not a finished stage folder, or ``out`` holds another run's work.
        InputError: the adapter was trained on another model, or is damaged.
        ModelError: the model cannot be loaded.
    """
    config, inputs = model_input(model)
    inputs["adapter"] = adapter
    with Stage(out, "finetune.merge", config=config, inputs=inputs, versions=versions()) as stage, quiet():
        if stage.manifest:
            return stage.manifest
        check_origin(model, stage.inputs.get("model"), adapter)
        from transformers import AutoTokenizer

        merged = merge_into(load_model(model)[0], str(adapter))
        try:
            tokenizer = AutoTokenizer.from_pretrained(adapter, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise InputError("the adapter has no tokenizer that works", where=adapter, fix=str(error)) from None
        stage.start()
        with saving(out):
            in_bfloat16(merged).save_pretrained(out)
            tokenizer.save_pretrained(out)
        facts = {"parameters": merged.num_parameters()}
        write_card(stage, facts, adapter)
        return stage.finish(**facts)
