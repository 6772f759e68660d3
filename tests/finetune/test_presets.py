"""Every preset: its settings are those of the libraries, its modules are in its model, and it gives way to the user."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoModelForCausalLM, Lfm2Config, LlamaConfig, Qwen2Config, Qwen3MoeConfig

from autovcoder.errors import ConfigError
from finetune.presets import Preset, launch_file, load_preset, preset_names, round_settings
from finetune.round_settings import LORA_DEFAULTS, sft_config
from finetune.trainer import checked

# trl uses what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

SHAPE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
# The architecture of each preset's model, and whether its output layer is tied to the embedding.
LLAMA, QWEN2 = LlamaConfig(**SHAPE, tie_word_embeddings=False), Qwen2Config(**SHAPE, tie_word_embeddings=False)
TIED = Qwen2Config(**SHAPE, tie_word_embeddings=True)
MODELS = {
    "codellama-7b": LLAMA,
    "deepseek-coder-6.7b": LLAMA,
    "codeqwen1.5-7b": QWEN2,
    "qwen2.5-coder-0.5b": TIED,
    "qwen2.5-coder-1.5b": TIED,
    "qwen2.5-coder-3b": TIED,
    "qwen2.5-coder-7b": QWEN2,
    "qwen2.5-coder-14b": QWEN2,
    "qwen2.5-coder-32b": QWEN2,
    "qwen3-coder-30b-a3b": Qwen3MoeConfig(**SHAPE, moe_intermediate_size=16, num_experts=4, num_experts_per_tok=2),
    "nano": Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"], tie_word_embeddings=True),
}
PAPER = ("codellama-7b", "deepseek-coder-6.7b", "codeqwen1.5-7b")


def test_the_presets_are_those_that_are_tested_here() -> None:
    assert preset_names() == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_preset_is_made_of_settings_that_the_libraries_take(name: str, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import BitsAndBytesConfig

    preset = load_preset(name)
    base = AutoModelForCausalLM.from_config(MODELS[name])
    inside = {part for module, _ in base.named_modules() for part in module.split(".")}
    for section in (preset.round1, preset.round2):
        settings = round_settings(section)
        sft = sft_config(settings, tmp_path)
        assert sft.max_length == 2048
        lora = checked(LoraConfig, "lora", LORA_DEFAULTS | settings.lora)
        targets = settings.lora.get("target_modules", [])
        assert set(targets) <= inside
        assert not (MODELS[name].tie_word_embeddings and "lm_head" in targets)
        model: Any = get_peft_model(AutoModelForCausalLM.from_config(MODELS[name]), lora)
        assert model.get_nb_trainable_parameters()[0] > 0
        if settings.quantization:
            assert checked(BitsAndBytesConfig, "quantization", settings.quantization).load_in_4bit


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_models_are_trained_as_in_the_paper(name: str, tmp_path: Path) -> None:
    preset = load_preset(name)
    rounds = [round_settings(preset.round1), round_settings(preset.round2)]
    projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    for settings in rounds:
        assert (settings.lora["r"], settings.lora["lora_alpha"], settings.lora["lora_dropout"]) == (32, 64, 0.05)
        assert settings.lora["target_modules"] == [*projections, "lm_head"]
        sft = sft_config(settings, tmp_path)
        assert (sft.max_length, sft.bf16, sft.learning_rate) == (2048, True, 2e-4)
    assert [settings.sft["num_train_epochs"] for settings in rounds] == [1, 3]


def test_the_file_wins_over_the_preset_and_a_flag_over_both(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("seed: 3\npacking: off\nlora: {r: 8}\nsft: {max_steps: 5}\nvalidation: {every: 7}\n")
    section = load_preset("codellama-7b").round2
    settings = round_settings(section, config, {"seed": 4})
    assert (settings.seed, settings.packing, settings.validation.every) == (4, "off", 7)
    assert settings.lora == {**section["lora"], "r": 8}
    assert settings.sft == {**section["sft"], "max_steps": 5}
    assert round_settings(section, config).seed == 3
    assert round_settings(section).lora["r"] == 32


def test_a_batch_of_the_users_own_kind_drops_the_presets(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("tokens_per_batch: 8192\n")
    settings = round_settings(load_preset("qwen2.5-coder-7b").round2, config)
    assert settings.tokens_per_batch == 8192
    assert sft_config(settings, tmp_path).per_device_train_batch_size == 1
    config.write_text("sft: {per_device_train_batch_size: 3}\n")
    settings = round_settings(load_preset("nano").round2, config)
    assert settings.tokens_per_batch is None
    assert sft_config(settings, tmp_path).per_device_train_batch_size == 3
    config.write_text("tokens_per_batch: 8192\nsft: {per_device_train_batch_size: 3}\n")
    with pytest.raises(ConfigError, match="leave one out"):
        sft_config(round_settings({}, config), tmp_path)


def test_a_mistyped_name_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no such preset: qwen2\.5-coder-7; did you mean 'qwen2\.5-coder-7b'"):
        load_preset("qwen2.5-coder-7")
    with pytest.raises(ConfigError, match=r"no such launch configuration: FSDP; did you mean 'fsdp2'"):
        launch_file("FSDP")


def test_a_preset_has_no_other_keys() -> None:
    assert set(Preset.model_fields) == {"model", "round1", "round2"}
    with pytest.raises(ValueError, match="round3"):
        Preset.model_validate({"model": "a", "round3": {}})


@pytest.mark.parametrize("name", ["fsdp2", "zero2", "zero3"])
def test_accelerate_takes_the_launch_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import FullyShardedDataParallelPlugin

    file = launch_file(name)
    found = load_config_from_file(str(file))
    assert found.num_processes == 2
    assert found.mixed_precision == "bf16"
    if name == "fsdp2":
        for key, value in found.fsdp_config.items():
            monkeypatch.setenv(key.upper(), str(value))
        assert FullyShardedDataParallelPlugin().fsdp_version == 2
    else:
        assert found.deepspeed_config["zero_stage"] == int(name[-1])
    # No key that accelerate reads past: all are among those that its own questionnaire writes.
    known = {key for key in yaml.safe_load(file.read_text()) if not hasattr(found, key)}
    assert known == set()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autovcoder", "finetune", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_lists_presets_names_launch_files_and_asks_for_a_model(tmp_path: Path) -> None:
    listed = run("round2", "--list-presets")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == preset_names()
    named = run("launch-config", "fsdp2")
    assert Path(named.stdout.strip()).name == "fsdp2.yaml"
    assert Path(named.stdout.strip()).is_file()
    asked = run("round1", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert asked.returncode == 2
    assert "give the model to start from, or a --preset" in asked.stderr
