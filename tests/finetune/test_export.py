"""Exports of real small models, loaded by what they are for: transformers, PEFT, a server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from autovcoder.errors import InputError, ModelError, StoreError
from autovcoder.models import open_model
from autovcoder.models.local import resolve
from autovcoder.records import Sampling
from autovcoder.store import Stage, read_manifest
from finetune.export import export

# peft uses what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

ROWS, ALPHA = 4, 8


@pytest.fixture(scope="module")
def alone(learned_model: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter, with its base where it says."""
    root = tmp_path_factory.mktemp("elsewhere")
    export(str(learned_model), root / "adapter", "adapter", adapter=adapter, base="../base")
    shutil.copytree(learned_model, root / "base")
    return root / "adapter"


def test_merged_weights_are_base_plus_adapter_and_the_embedding_stays_tied(
    learned_model: Path, adapter: Path, merged: Path
) -> None:
    from safetensors.torch import load_file

    base, lora = load_file(learned_model / "model.safetensors"), load_file(adapter / "adapter_model.safetensors")
    saved = load_file(merged / "model.safetensors")
    assert saved.keys() == base.keys()
    assert "lm_head.weight" not in saved, "the tied head is not saved a second time"
    changed = 0
    for name, weight in base.items():
        assert saved[name].dtype == torch.bfloat16
        expected = weight.float()
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in lora:
            expected = expected + ALPHA / ROWS * lora[f"{stem}.lora_B.weight"] @ lora[f"{stem}.lora_A.weight"]
            changed += not torch.equal(saved[name], weight)
        torch.testing.assert_close(saved[name].float(), expected, rtol=2**-8, atol=1e-6)
    assert changed == len(lora) / 2 > 0
    model = AutoModelForCausalLM.from_pretrained(merged)
    assert model.config.tie_word_embeddings
    assert model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def test_an_exported_model_is_whole_and_answers_as_its_source(learned_model: Path, tmp_path: Path) -> None:
    manifest = export(str(learned_model), tmp_path / "out")
    assert set(manifest.sha256) == {path.name for path in (tmp_path / "out").iterdir()} - {"manifest.json"}
    assert {"config.json", "generation_config.json", "model.safetensors", "README.md"} <= set(manifest.sha256)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert model.config.use_cache
    assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == (
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(learned_model).chat_template
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode & 0o044, "a server may run as somebody else"


def test_a_real_server_answers_with_the_exported_model(
    learned_model: Path, learned: dict[str, str], tmp_path: Path
) -> None:
    export(str(learned_model), tmp_path / "out")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(tmp_path / "out")]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process)
            model = open_model(str(tmp_path / "out"), f"http://127.0.0.1:{port}")
            spec, answer = next(iter(learned.items()))
            assert model.complete([spec], Sampling(max_new_tokens=300)) == [[answer]]
        finally:
            process.terminate()


def test_an_adapter_alone_finds_its_base_elsewhere(alone: Path, merged: Path) -> None:
    settings = json.loads((alone / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "../base"
    [[theirs]] = open_model(str(alone)).complete(["an adder"], Sampling(max_new_tokens=40))
    [[ours]] = open_model(str(merged)).complete(["an adder"], Sampling(max_new_tokens=40))
    assert theirs == ours


def test_nothing_exported_names_a_place_on_this_machine(
    learned_model: Path, merged: Path, alone: Path, adapter: Path, stand_in: Path, tmp_path: Path
) -> None:
    here = str(learned_model.parents[1]).encode()
    assert here in (adapter / "adapter_config.json").read_bytes(), "what the round left does, so this test can tell"
    export(str(learned_model), tmp_path / "plain")
    export(str(learned_model), tmp_path / "ollama", "ollama", adapter=adapter, converter=stand_in)
    folders = (merged, alone, tmp_path / "plain", tmp_path / "ollama")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if here in path.read_bytes()]
    assert not [path.name for folder in folders for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("base", "said"),
    [(None, "means nothing elsewhere.*--base"), ("/models/base", "no base that others"), ("a b", "no base that")],
)
def test_an_adapter_needs_a_base_that_others_find(
    learned_model: Path, adapter: Path, tmp_path: Path, base: str | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        export(str(learned_model), tmp_path / "out", "adapter", adapter=adapter, base=base)
    assert not (tmp_path / "out").exists()


def test_what_does_not_go_together_is_refused_and_leaves_no_folder(
    learned_model: Path, adapter: Path, random_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(adapter, tmp_path / "both")
    shutil.copy(learned_model / "config.json", tmp_path / "both")
    with pytest.raises(InputError, match="not trained on this model"):
        export(str(random_model), out, adapter=adapter)
    for folder in (adapter, tmp_path / "both"):
        with pytest.raises(InputError, match="this is an adapter"):
            export(str(folder), out)
    with pytest.raises(InputError, match="no adapter to export"):
        export(str(learned_model), out, "adapter")
    with pytest.raises(ModelError, match="no such model folder"):
        export(str(tmp_path / "nothing"), out)
    with pytest.raises(InputError, match="--base is for --format adapter"):
        export(str(learned_model), out, base="owner/name")
    with pytest.raises(InputError, match="--gguf-type are for --format gguf or ollama"):
        export(str(learned_model), out, outtype="q8_0")
    assert not out.exists()


def test_nothing_is_written_over_what_is_no_export(learned_model: Path, adapter: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(learned_model, model)
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    for out in (model, model / "below", tmp_path / "x" / ".." / "model"):
        with pytest.raises(InputError, match="cannot be written into what it is made from"):
            export(str(model), out)
    with pytest.raises(InputError, match="cannot be written into what it is made from"):
        export(str(learned_model), adapter / "out", adapter=adapter)
    with pytest.raises(StoreError, match="holds other files"):
        export(str(learned_model), model)
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


@pytest.mark.parametrize(
    "command",
    [
        ("finetune", "export", "--out", "out"),
        ("eval", "run", "--suite", "builtin", "--limit", "1", "--out", "out"),
        ("generate", "an adder"),
    ],
)
def test_code_that_a_model_brings_along_is_not_run_whoever_says_yes(
    learned_model: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(learned_model, model)
    names = {"AutoConfig": "strange.StrangeConfig", "AutoModelForCausalLM": "strange.Strange"}
    (model / "config.json").write_text(json.dumps({"model_type": "strange", "auto_map": names}))
    (model / "strange.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    done = subprocess.run(
        [sys.executable, "-m", "autovcoder", *command, "--model", model],
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "cache")},
        input="y\n" * 9,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not (tmp_path / "ran").exists()
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot load the model: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_checkpoint_is_not_exported(learned_model: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(learned_model, tmp_path / "torn")
    file, config = tmp_path / "torn" / "model.safetensors", tmp_path / "torn" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"intermediate_size": 64}))
    with pytest.raises(ModelError, match=r"weights of other shapes than config\.json says: .*mlp"):
        export(str(tmp_path / "torn"), tmp_path / "out")
    shutil.copy(learned_model / "config.json", config)
    weights = load_file(file)
    weights.pop("model.norm.weight")
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights: .*model\.norm\.weight"):
        export(str(tmp_path / "torn"), tmp_path / "out")
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="cannot load the model"):
        export(str(tmp_path / "torn"), tmp_path / "out")
    shutil.copytree(adapter, tmp_path / "round")
    os.truncate(tmp_path / "round" / "adapter_model.safetensors", 1000)
    with pytest.raises(InputError, match="not a whole PEFT adapter"):
        export(str(learned_model), tmp_path / "out", "adapter", adapter=tmp_path / "round", base="owner/name")


def test_a_second_chat_template_goes_along_and_a_kill_after_it_costs_nothing(
    learned_model: Path, tmp_path: Path
) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(learned_model, model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = {"default": tokenizer.chat_template, "tool_use": "x"}
    tokenizer.save_pretrained(model)
    assert _killed(model, out) == -signal.SIGKILL
    assert (out / "additional_chat_templates" / "tool_use.jinja").is_file(), "it was killed after that"
    export(str(model), out)
    assert (out / "additional_chat_templates").stat().st_mode & 0o111, "a folder, not a file"
    assert AutoTokenizer.from_pretrained(out).chat_template == tokenizer.chat_template


def test_a_killed_export_is_no_model_and_the_next_start_makes_it_whole(learned_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _killed(learned_model, out) == -signal.SIGKILL
    assert (out / "model.safetensors").is_file(), "it was killed in the middle"
    with pytest.raises(StoreError, match="not a finished stage"):
        read_manifest(out)
    with pytest.raises(ModelError, match="not a model folder"):
        resolve(str(out))
    export(str(learned_model), out)
    assert {path.name for path in out.iterdir()} - {"manifest.json"} == set(read_manifest(out).sha256)
    assert AutoModelForCausalLM.from_pretrained(out).num_parameters() == read_manifest(out).facts["parameters"]
    before = (out / "model.safetensors").stat().st_mtime_ns
    export(str(learned_model), out)
    assert (out / "model.safetensors").stat().st_mtime_ns == before, "a finished export is not made again"
    with pytest.raises(StoreError, match="made with another"):
        export(str(learned_model), out, "adapter", adapter=_fake_round(learned_model, tmp_path), base="x/y")


def _killed(model: Path, out: Path) -> int:
    """Kill an export when all but the last file is in its place."""
    code = (
        "import os, sys, pathlib, finetune.export as e\n"
        "e._LAST = ('config.json',); move = pathlib.Path.replace\n"
        "def replace(path, to):\n"
        "    return os.kill(os.getpid(), 9) if path.name == 'config.json' else move(path, to)\n"
        "pathlib.Path.replace = replace\n"
        "e.export(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
    )
    return subprocess.run([sys.executable, "-c", code, str(model), str(out)], check=False).returncode


def _fake_round(model: Path, root: Path) -> Path:
    with Stage(root / "round", "finetune.round1", config={}, inputs={"model": model}) as stage:
        stage.start()
        stage.finish()
    return root / "round"


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)
