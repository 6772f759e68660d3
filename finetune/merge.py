"""An adapter and its base joined into one model that needs no PEFT.

Reads a model folder and an adapter folder; writes a Hugging Face model folder: bf16 safetensors and the tokenizer.
"""

from __future__ import annotations

from pathlib import Path

from autovcoder.store import Manifest, Stage
from finetune.trainer import half, model_input, versions


def merge(model: str, adapter: Path, out: Path) -> Manifest:
    """Add the adapter's update to the weights, in float32, and save as bf16.

    Raises:
        StoreError: ``adapter`` is not a finished stage folder, or ``out`` holds another run's work.
    """
    config, inputs = model_input(model)
    inputs["adapter"] = adapter
    with Stage(out, "finetune.merge", config=config, inputs=inputs, versions=versions()) as stage:
        if stage.manifest:
            return stage.manifest
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer

        base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        merged = PeftModel.from_pretrained(base, adapter).merge_and_unload()
        half(merged).save_pretrained(out)
        AutoTokenizer.from_pretrained(adapter).save_pretrained(out)
        return stage.finish(parameters=merged.num_parameters())
