"""What the tests of several modules share: an adapter as a round leaves it, its export, a stand-in for a converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

# Stands in for llama.cpp's converter: the same class, method, arguments and way to fail; it writes what it was told.
STAND_IN = """
import argparse, json, sys
class TextModel:
    def get_vocab_base_pre(self, tokenizer):
        raise NotImplementedError("BPE pre-tokenizer was not recognized - update get_vocab_base_pre()")
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model"); parser.add_argument("--outfile"); parser.add_argument("--outtype")
    parser.add_argument("--model-name")
    told = vars(parser.parse_args())
    out = told.pop("outfile"); del told["model"]
    told["cut"] = TextModel().get_vocab_base_pre(None)
    if told["model_name"] == "broken":
        raise ValueError("Can not map tensor 'model.strange.weight'")
    open(out, "w").write(json.dumps(told))
"""


@pytest.fixture(scope="module")
def adapter(learned_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the learned model that changes it, as a round leaves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from autovcoder.store import Stage

    folder = tmp_path_factory.mktemp("rounds") / "round2"
    base = AutoModelForCausalLM.from_pretrained(learned_model, dtype=torch.float32)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    torch.manual_seed(0)
    adapted: Any = get_peft_model(base, lora)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    with Stage(folder, "finetune.round2", config={"model": None}, inputs={"model": learned_model}, seed=3) as stage:
        stage.start()
        adapted.save_pretrained(folder)
        AutoTokenizer.from_pretrained(learned_model).save_pretrained(folder)
        stage.finish(examples=12, steps=7, last_loss=0.5)
    return folder


@pytest.fixture(scope="module")
def merged(learned_model: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from finetune.export import export

    out = tmp_path_factory.mktemp("exports") / "merged"
    export(str(learned_model), out, adapter=adapter)
    return out


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    (tmp_path / "convert_hf_to_gguf.py").write_text(STAND_IN)
    return tmp_path / "convert_hf_to_gguf.py"
