"""What `finetune nano` refuses before it makes data, and how a finished model comes into the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autovcoder.cli.nano import MODEL_FILES, _install, make_nano, nano_settings
from autovcoder.errors import InputError, StoreError

# The library uses what it calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"round1": {"sft": {"max_step": 1}}}, r"round1: sft\.max_step; did you mean 'max_steps'"),
        ({"round2": {"lora": {"lora_alpa": 1}}}, r"round2: lora\.lora_alpa; did you mean 'lora_alpha'"),
        ({"round2": {"lora": {"use_dora": True}}}, r"use_dora cannot be stacked: round2: lora"),
        ({"round2": {"validation": {"problems": "nowhere.jsonl"}}}, r"no problems to validate with: round2: nowhere"),
        ({"pretrain": {"trainer": {"max_step": 1}}}, r"trainer\.max_step; did you mean"),
    ],
)
def test_a_setting_that_a_later_training_refuses_is_refused_before_data_are_made(
    tmp_path: Path, own: dict[str, Any], message: str
) -> None:
    config = tmp_path / "nano.yaml"
    config.write_text(json.dumps(own))
    with pytest.raises(InputError, match=message):
        make_nano(tmp_path / "run", nano_settings(config))
    assert not (tmp_path / "run").exists()


def test_the_recipe_is_not_validated_on_what_it_is_measured_by(tmp_path: Path) -> None:
    problems = tmp_path / "run" / "pairs" / "problems.jsonl"
    problems.parent.mkdir(parents=True)
    problems.write_text("")
    config = tmp_path / "nano.yaml"
    config.write_text(json.dumps({"round1": {"validation": {"problems": str(problems)}}}))
    with pytest.raises(InputError, match=r"the models are measured on these problems: round1: validation\.problems"):
        make_nano(tmp_path / "run", nano_settings(config))


def test_a_batch_of_ones_own_kind_drops_the_recipes(tmp_path: Path) -> None:
    config = tmp_path / "nano.yaml"
    config.write_text("round1: {sft: {per_device_train_batch_size: 8}}\n")
    settings = nano_settings(config)
    assert (settings.round1.tokens_per_batch, settings.round2.tokens_per_batch) == (None, 4096)


def test_an_installed_model_is_the_new_one_whole_or_the_old_one(tmp_path: Path) -> None:
    out, target = tmp_path / "run", tmp_path / "assets" / "nano"
    (out / "model").mkdir(parents=True)
    target.mkdir(parents=True)
    (target / "model.safetensors").write_text("old")
    (target / "of_the_old_one.json").write_text("old")
    (out / "card.md").write_text("card")
    for name in MODEL_FILES[:-1]:
        (out / "model" / name).write_text("new")
    with pytest.raises(StoreError, match=rf"cannot be installed: .*nano; .*{MODEL_FILES[-1]}: No such file"):
        _install(out, target)
    assert (target / "model.safetensors").read_text() == "old"
    (out / "model" / MODEL_FILES[-1]).write_text("new")
    _install(out, target)
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        **dict.fromkeys(MODEL_FILES, "new"), "README.md": "card"
    }  # fmt: skip
    assert [path.name for path in target.parent.iterdir()] == ["nano"]
