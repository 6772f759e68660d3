"""Exports of real small models, loaded by what they are for: transformers, PEFT, a server, llama.cpp's converter."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from autovcoder.errors import InputError, ModelError, StoreError, ToolFailed, ToolMissing
from autovcoder.models import open_model
from autovcoder.models.local import resolve
from autovcoder.prompt import SYSTEM, chat
from autovcoder.records import Sampling
from autovcoder.store import Stage, read_manifest
from finetune.export import export
from finetune.gguf import CONVERTER_VARIABLE, chat_form, find_converter, known_cut, modelfile

# peft uses what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

ROWS, ALPHA = 4, 8
CLI = """
import typer
from autovcoder.cli.export_model import export_model
from autovcoder.cli.report_errors import run_app
app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command("export")(export_model)
run_app(app, "export")
"""


@pytest.fixture(scope="module")
def adapter(learned_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the learned model that changes it, as a round leaves it."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("rounds") / "round2"
    base = AutoModelForCausalLM.from_pretrained(learned_model, dtype=torch.float32)
    lora = LoraConfig(r=ROWS, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
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
    out = tmp_path_factory.mktemp("exports") / "merged"
    export(str(learned_model), out, adapter=adapter)
    return out


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


def test_nothing_exported_names_a_place_on_this_machine(merged: Path, alone: Path, adapter: Path) -> None:
    here = str(adapter.parents[1])
    assert here in (adapter / "adapter_config.json").read_text(), "what the round left does, so this test can tell"
    files = [path for folder in (merged, alone) for path in folder.iterdir()]
    assert not [path for path in files if here.encode() in path.read_bytes()]
    assert not [path.name for path in files if path.name.startswith(".")]


def test_the_card_says_where_the_model_comes_from(merged: Path, alone: Path) -> None:
    card = (merged / "README.md").read_text()
    assert "finetune.round2: examples 12, steps 7, last loss 0.5; seed 3" in card
    assert "library_name: transformers" in card
    assert "base_model: ../base" in (alone / "README.md").read_text()


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
    with pytest.raises(InputError, match="not trained on this model"):
        export(str(random_model), out, adapter=adapter)
    with pytest.raises(InputError, match="this is an adapter"):
        export(str(adapter), out)
    with pytest.raises(InputError, match="no adapter to export"):
        export(str(learned_model), out, "adapter")
    with pytest.raises(ModelError, match="no such model folder"):
        export(str(tmp_path / "nothing"), out)
    assert not out.exists()


def test_a_checkpoint_that_lacks_weights_is_not_exported(learned_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(learned_model, tmp_path / "torn")
    weights = load_file(tmp_path / "torn" / "model.safetensors")
    weights.pop("model.norm.weight")
    save_file(weights, tmp_path / "torn" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights: .*model\.norm\.weight"):
        export(str(tmp_path / "torn"), tmp_path / "out")


def test_a_killed_export_is_no_model_and_the_next_start_makes_it_whole(learned_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = (
        "import os, sys, pathlib, finetune.export as e\n"
        "e._LAST = ('config.json',); move = pathlib.Path.replace\n"
        "def replace(path, to):\n"
        "    return os.kill(os.getpid(), 9) if path.name == 'config.json' else move(path, to)\n"
        "pathlib.Path.replace = replace\n"
        "e.export(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(learned_model), str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
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


def _fake_round(model: Path, root: Path) -> Path:
    with Stage(root / "round", "finetune.round1", config={}, inputs={"model": model}) as stage:
        stage.start()
        stage.finish()
    return root / "round"


# --- GGUF -------------------------------------------------------------------------------------------------------------

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
    told["cut"] = TextModel().get_vocab_base_pre(None)
    if told["model_name"] == "broken":
        raise ValueError("Can not map tensor 'model.strange.weight'")
    open(told["outfile"], "w").write(json.dumps(told))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    (tmp_path / "convert_hf_to_gguf.py").write_text(STAND_IN)
    return tmp_path / "convert_hf_to_gguf.py"


def test_the_converter_is_told_the_model_the_type_and_how_text_is_cut(
    learned_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    manifest = export(str(learned_model), tmp_path / "out", "ollama", converter=stand_in, outtype="q8_0")
    assert set(manifest.sha256) == {"README.md", "Modelfile", "model.gguf"}
    assert manifest.inputs["converter"] == hashlib.sha256(stand_in.read_bytes()).hexdigest()
    told = json.loads((tmp_path / "out" / "model.gguf").read_text())
    assert (told["outtype"], told["cut"], told["model_name"]) == ("q8_0", "gpt-2", "out")
    assert (tmp_path / "out" / "Modelfile").read_text().startswith("FROM ./model.gguf\n")


def test_the_last_line_of_a_converter_that_fails_is_shown_and_nothing_looks_finished(
    learned_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    with pytest.raises(ToolFailed, match=r"converter failed: .*; ValueError: Can not map tensor 'model\.strange"):
        export(str(learned_model), tmp_path / "broken", "gguf", converter=stand_in)
    assert {path.name for path in (tmp_path / "broken").iterdir()} == {"stage.json", ".export.partial"}


def test_a_tokenizer_that_llama_cpp_cannot_cut_alike_is_refused(
    learned_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    shutil.copytree(learned_model, tmp_path / "model")
    file = tmp_path / "model" / "tokenizer.json"
    words = json.loads(file.read_text())
    words["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\n\s*"}, "behavior": "Isolated", "invert": False},
            {**words["pre_tokenizer"], "use_regex": False},
        ],
    }
    file.write_text(json.dumps(words))
    assert known_cut(words) is None
    with pytest.raises(ToolFailed, match="no rule that cuts text into words as this model's tokenizer does"):
        export(str(tmp_path / "model"), tmp_path / "out", "gguf", converter=stand_in)


def test_a_missing_converter_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CONVERTER_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"not installed; get llama\.cpp's source and give --converter"):
        find_converter()
    with pytest.raises(ToolMissing, match=r"not llama\.cpp's converter"):
        find_converter(tmp_path)
    found = tmp_path / "convert_hf_to_gguf.py"
    found.write_text("")
    found.chmod(0o755)
    assert find_converter() == found
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(CONVERTER_VARIABLE, str(found))
    assert find_converter() == found


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
QWEN2 = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA_CPP = {"gpt-2": [GPT2], "smollm": [r"\p{N}", GPT2], "qwen2": [QWEN2]}
"""The expressions of llama.cpp's src/llama-vocab.cpp; what none of them matches stays in one piece."""
PUBLISHED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)" + QWEN2[QWEN2.index("|[^") :]
"""Qwen2's own expression, as its tokenizer.json has it."""


def cutters() -> Iterator[tuple[str, Any]]:
    """llama.cpp's name for a cut, and the cut as tokenizers write it."""
    from tokenizers import Regex, pre_tokenizers

    whole, byte = pre_tokenizers.ByteLevel(False), pre_tokenizers.ByteLevel(False, use_regex=False)
    digit, digits = pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.Digits(individual_digits=True)
    yield "gpt-2", whole
    yield "smollm", pre_tokenizers.Sequence([digit, whole])
    yield "smollm", pre_tokenizers.Sequence([digits, whole])
    yield "qwen2", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PUBLISHED), "isolated"), byte])


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet=st.one_of(st.sampled_from(" \n\t09azAZ_'`;=<[]{}:.,é日🚀\r"), st.characters(codec="utf-8"))))
def test_a_cut_is_named_as_llama_cpp_names_the_one_that_cuts_alike(text: str) -> None:
    """Except beside numerals that are no decimal digits, which nobody writes in RTL."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    assume(not any(c.isnumeric() and not c.isdecimal() for c in text))
    for name, cutter in cutters():
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = cutter
        assert known_cut(json.loads(tokenizer.to_str())) == name
        splits = [pre_tokenizers.Split(Regex(rule), "isolated") for rule in LLAMA_CPP[name]]
        theirs = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(False, use_regex=False)])
        assert [piece for piece, _ in cutter.pre_tokenize_str(text)] == [
            piece for piece, _ in theirs.pre_tokenize_str(text)
        ]


@pytest.mark.skipif(CONVERTER_VARIABLE not in os.environ, reason=f"needs llama.cpp's source: {CONVERTER_VARIABLE}")
def test_llama_cpps_own_converter_takes_the_model(learned_model: Path, tmp_path: Path) -> None:
    from transformers import Lfm2Config, Lfm2ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    config = Lfm2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        block_auto_adjust_ff_dim=False,
        layer_types=["conv", "full_attention"],
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    Lfm2ForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    export(str(tmp_path / "model"), tmp_path / "out", "gguf")
    data = (tmp_path / "out" / "model.gguf").read_bytes()
    assert data.startswith(b"GGUF")
    # A key, the type of a string (8), its length, and the string.
    assert b"tokenizer.ggml.pre" + (8).to_bytes(4, "little") + (5).to_bytes(8, "little") + b"gpt-2" in data
    assert str(tmp_path).encode() not in data


# --- Ollama -----------------------------------------------------------------------------------------------------------


def test_the_modelfile_of_a_chat_model(learned_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert modelfile(tokenizer, ["<|im_end|>"]) == (
        "FROM ./model.gguf\n"
        'TEMPLATE """{{ range $i, $m := .Messages }}{{ if eq .Role "user" }}<|im_start|>user\n'
        '{{ .Content }}<|im_end|>\n{{ else if eq .Role "assistant" }}<|im_start|>assistant\n'
        '{{ .Content }}<|im_end|>\n{{ else if eq .Role "system" }}<|im_start|>system\n'
        '{{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n"""\n'
        f'SYSTEM """{SYSTEM}"""\n'
        'PARAMETER temperature 0\nPARAMETER repeat_penalty 1\nPARAMETER stop "<|im_end|>"\n'
    )


def test_the_modelfile_of_a_model_without_a_chat_template_ends_at_the_fence(random_model: Path) -> None:
    text = modelfile(AutoTokenizer.from_pretrained(random_model), [])
    assert 'TEMPLATE """{{ .System }}\n\n{{ .Prompt }}\n\n```verilog\n"""' in text
    assert 'PARAMETER stop "```"' in text


def test_a_template_that_refuses_the_system_role_gets_its_text_before_the_users(learned_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    tokenizer.chat_template = tokenizer.chat_template.replace("refuse", "true")
    form = chat_form(tokenizer)
    assert (form.folds, form.system) == (True, None)
    assert "{{ if and $.System (le $i 1) }}{{ $.System }}\n\n{{ end }}{{ .Content }}" in form.to_go()


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{{ messages[-1].content }}",
        "no message at all",
    ],
)
def test_a_template_of_another_form_is_refused(learned_model: Path, template: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    tokenizer.chat_template = template
    with pytest.raises(InputError, match="cannot be written for Ollama"):
        chat_form(tokenizer)


AFFIX = st.text(alphabet="<|>im_start\n[]{}\"'\\ ", max_size=12)


@settings(deadline=None, max_examples=60)
@given(affixes=st.lists(AFFIX, min_size=8, max_size=8), with_system=st.booleans())
def test_every_template_of_fixed_texts_is_found_out(learned_model: Path, affixes: list[str], with_system: bool) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    start, opening, *around = affixes
    roles = dict(zip(("system", "user", "assistant"), zip(around[::2], around[1::2], strict=True), strict=True))
    branches = "".join(
        f"{{% if m.role == {role!r} %}}{{{{ {json.dumps(before)} + m.content + {json.dumps(after)} }}}}{{% endif %}}"
        for role, (before, after) in roles.items()
        if with_system or role != "system"
    )
    tokenizer.chat_template = (
        f"{{{{ {json.dumps(start)} }}}}{{% for m in messages %}}{branches}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ {json.dumps(opening)} }}}}{{% endif %}}"
    )
    talk = [*chat("an adder"), {"role": "assistant", "content": "module"}, {"role": "user", "content": "smaller"}]
    wanted = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    form = chat_form(tokenizer)
    assert form.render(talk) == wanted  # type: ignore[arg-type]
    assert '"""' not in form.to_go()


# --- the hub ----------------------------------------------------------------------------------------------------------


class Hub(BaseHTTPRequestHandler):
    """The few addresses of the Hugging Face hub that a push uses; keeps what it is sent."""

    private, status = True, 200
    files: dict[str, bytes]
    blobs: dict[str, bytes]
    seen: list[tuple[str, Any]]
    tokens: set[str | None]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.tokens.add(self.headers["Authorization"])
        path = self.path.partition("?")[0]
        if self.status != 200:
            self._answer({"error": "You shall not pass"}, self.status)
        elif path == "/api/repos/create":
            self.seen.append((path, json.loads(body)))
            self._answer({"url": f"{self._here()}/lab/adder", "id": "lab/adder"})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            big = [{"path": n, "uploadMode": "lfs" if n.endswith(".safetensors") else "regular"} for n in names]
            self._answer({"files": [{**file, "shouldIgnore": False, "oid": None} for file in big]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{self._here()}/blob/{o['oid']}", "header": {}}}}
                for o in json.loads(body)["objects"]
            ]
            self._answer({"transfer": "basic", "objects": objects})
        elif path.endswith("/commit/main"):
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._answer({"error": path}, 404)

    def do_GET(self) -> None:
        self._answer({"id": "lab/adder", "private": self.private, "siblings": [], "tags": []})

    def do_PUT(self) -> None:
        self.blobs[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({})

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        self.seen.append(("commit", lines[0]))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                self.files[value["path"]] = self.blobs[value["oid"]]
        self._answer({"commitUrl": f"{self._here()}/lab/adder/commit/1", "commitOid": "1", "hookOutput": ""})

    def _here(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def _answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[tuple[str, type[Hub]]]:
    handler = type("HubOfATest", (Hub,), {"files": {}, "blobs": {}, "seen": [], "tokens": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def push_to(hub: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: the hub's address is read when its library is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", CLI, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_a_push_is_one_commit_of_the_whole_folder_to_a_private_repository(
    learned_model: Path, merged: Path, adapter: Path, hub: tuple[str, type[Hub]]
) -> None:
    url, kept = hub
    arguments = ["--model", str(learned_model), "--adapter", str(adapter), "--out", str(merged)]
    done = push_to(url, *arguments, "--push", "lab/adder")
    assert done.returncode == 0, done.stderr
    assert f"pushed: {url}/lab/adder" in done.stderr
    assert kept.seen[0][1]["visibility"] == "private"
    assert [what for what, _ in kept.seen].count("commit") == 1
    assert kept.files == {path.name: path.read_bytes() for path in merged.iterdir()}
    assert kept.tokens == {"Bearer hf_secret"}
    assert "hf_secret" not in done.stderr + done.stdout


def test_what_the_hub_refuses_is_one_clear_line(
    learned_model: Path, merged: Path, adapter: Path, hub: tuple[str, type[Hub]]
) -> None:
    url, kept = hub
    arguments = ["--model", str(learned_model), "--adapter", str(adapter), "--out", str(merged), "--push", "lab/adder"]
    kept.private = False
    done = push_to(url, *arguments)
    assert (done.returncode, kept.files) == (1, {})
    assert "error: the repository is public: lab/adder; give --public" in done.stderr
    kept.private, kept.status = True, 401
    done = push_to(url, *arguments)
    assert done.returncode == 1
    assert "error: cannot push to the hub (" in done.stderr
    assert "401" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_network_is_one_clear_line(merged: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    code = "import sys, pathlib, finetune.export as e; e.push(pathlib.Path(sys.argv[1]), 'lab/adder')"
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_TOKEN": "hf_secret"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(merged)], env=environment, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("autovcoder.errors.ModelError: cannot push to the hub (")
    assert "hf_secret" not in done.stderr


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
