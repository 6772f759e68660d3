"""The weighted mean of models: its weights, what is refused, and the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from autovcoder.cli.main import app
from autovcoder.errors import InputError
from autovcoder.models import open_model
from autovcoder.records import Sampling
from autovcoder.store import read_manifest
from finetune.average import average

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["finetune", "average", *arguments])
    return result.exit_code, result.output


def test_the_mean_lies_between_by_weight_and_answers(learned_model: Path, merged: Path, tmp_path: Path) -> None:
    import torch

    code, said = run(
        "--model", str(learned_model), "--weight", "3", "--model", str(merged), "--weight", "1",
        "--out", str(tmp_path / "mean"),
    )  # fmt: skip
    assert code == 0, said
    one, two, mean = (load_file(folder / "model.safetensors") for folder in (learned_model, merged, tmp_path / "mean"))
    assert mean.keys() == one.keys()
    assert any(not torch.equal(one[name], two[name]) for name in one)
    for name, tensor in mean.items():
        assert tensor.dtype is torch.bfloat16
        expected = 0.75 * one[name].float() + 0.25 * two[name].float()
        torch.testing.assert_close(tensor.float(), expected, rtol=2**-8, atol=1e-6)
    made = read_manifest(tmp_path / "mean")
    assert made.config["weights"] == [0.75, 0.25]
    assert set(made.inputs) == {"model 1", "model 2"}
    card = (tmp_path / "mean" / "README.md").read_text()
    assert "the weighted mean of several models" in card
    assert "share of model 1 0.75, share of model 2 0.25" in card
    [[answer]] = open_model(str(tmp_path / "mean")).complete(["an adder"], Sampling(max_new_tokens=5))
    assert answer


def test_without_weights_all_count_alike(learned_model: Path, merged: Path, tmp_path: Path) -> None:
    made = average([str(learned_model), str(merged)], tmp_path / "mean")
    assert made.config["weights"] == [0.5, 0.5]


def test_what_has_no_average_is_refused(learned_model: Path, random_model: Path, tmp_path: Path) -> None:
    name, out = str(learned_model), tmp_path / "out"
    with pytest.raises(InputError, match="one model has no average"):
        average([name], out)
    with pytest.raises(InputError, match="2 models have 1 weights"):
        average([name, name], out, [1.0])
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="a weight is not a positive number"):
            average([name, name], out, [1.0, weight])
    with pytest.raises(InputError, match="weights of other names or shapes"):
        average([name, str(random_model)], out)
    assert not (out / "manifest.json").exists()


def test_another_tokenizer_is_refused(learned_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(learned_model, other)
    path = other / "tokenizer.json"
    content = json.loads(path.read_text())
    words = content["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="another tokenizer"):
        average([str(learned_model), str(other)], tmp_path / "out")


def test_another_architecture_of_the_same_shapes_is_refused(learned_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(learned_model, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}))
    with pytest.raises(InputError, match="another rms_norm_eps"):
        average([str(learned_model), str(other)], tmp_path / "out")


def test_settings_that_compute_nothing_may_differ(learned_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(learned_model, other)
    config = json.loads((other / "config.json").read_text())
    differing = {"use_cache": False, "attention_dropout": 0.5, "initializer_range": 0.5}
    (other / "config.json").write_text(json.dumps(config | differing))
    average([str(learned_model), str(other)], tmp_path / "out")
    mean, one = (load_file(folder / "model.safetensors") for folder in (tmp_path / "out", learned_model))
    assert all(mean[name].equal(one[name]) for name in one)
