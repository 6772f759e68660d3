"""Real, small trainings: tokenizer, base model, both LoRA rounds and the merge, in seconds."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, ByT5Tokenizer

import finetune.pretrain
from autovcoder.cli.nano import nano_settings
from autovcoder.cli.nano_card import card
from autovcoder.config import load_settings
from autovcoder.errors import ConfigError, InputError, ModelError, StoreError
from autovcoder.files import read_jsonl
from autovcoder.prompt import ANSWERS_WITH_CODE
from autovcoder.store import Stage, read_manifest
from data_pipeline.pairs import PairSettings, make_pairs
from data_pipeline.texts import TextSettings, make_texts
from finetune.checkpoints import last_checkpoint
from finetune.corpus import Row, encode, open_examples
from finetune.merge import merge
from finetune.packing import IGNORED
from finetune.pretrain import PretrainSettings, make_batches, pretrain, tokenized
from finetune.rounds import RoundSettings, encode_pair, round1, round2
from finetune.tokenizer import END, train_tokenizer
from finetune.trainer import train
from hdl_sim.icarus import Icarus

# trl and peft use what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

AUTOVCODER = str(Path(sys.executable).with_name("autovcoder"))
TINY = PretrainSettings(vocabulary=512, width=32, layers=2, heads=2, feed_forward=64, context=512, batch_tokens=1024)
# Families whose problems and answers fit into so few tokens.
SHORT = ("gate", "mux", "adder", "dff", "register")
LORA = RoundSettings(lora={"r": 4, "lora_alpha": 8}, sft={"per_device_train_batch_size": 8, "max_length": 512})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages of a tiny model, made once."""
    root = tmp_path_factory.mktemp("nano")
    make_texts(root / "texts", TextSettings(base=600, rtl=40, in_house=0))
    make_pairs(root / "pairs", PairSettings(pairs=24, problems=2, families=SHORT, mutants=0), Icarus())
    pretrain(root / "texts", root / "base", TINY)
    round1(str(root / "base"), root / "texts", root / "round1", LORA)
    merge(str(root / "base"), root / "round1", root / "merged1")
    round2(str(root / "merged1"), root / "pairs", root / "round2", LORA)
    merge(str(root / "merged1"), root / "round2", root / "model")
    return root


def weights(folder: Path) -> dict[str, Any]:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()


def test_pretraining_lowers_the_loss_and_saves_what_transformers_loads(root: Path) -> None:
    facts = read_manifest(root / "base").facts
    assert facts["last_loss"] < facts["first_loss"]
    model = AutoModelForCausalLM.from_pretrained(root / "base")
    assert model.config.model_type == "lfm2"
    assert model.config.max_position_embeddings == TINY.context
    assert model.dtype == torch.bfloat16
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()


def test_a_base_model_can_be_trained_on(root: Path, tmp_path: Path) -> None:
    on = TINY.model_copy(update={"model": str(root / "base"), "layers": 4, "vocabulary": 300})
    manifest = pretrain(root / "texts", tmp_path / "on", on)
    before = read_manifest(root / "base").facts
    assert manifest.facts["first_loss"] < (before["first_loss"] + before["last_loss"]) / 2
    assert manifest.inputs.keys() == {"texts", "model"}
    assert "model" not in manifest.config  # where a folder is says nothing of what is in it
    old, new = weights(root / "base"), weights(tmp_path / "on")
    assert {name: tensor.shape for name, tensor in new.items()} == {name: tensor.shape for name, tensor in old.items()}
    assert not torch.equal(new["model.embed_tokens.weight"], old["model.embed_tokens.weight"])
    for name in ("tokenizer.json", "chat_template.jinja"):
        assert (tmp_path / "on" / name).read_bytes() == (root / "base" / name).read_bytes()
    longer = on.model_copy(update={"context": 1024})
    with pytest.raises(ConfigError, match=r"context: cannot be 1024 .*512 tokens|cannot be 1024.*context.*512"):
        pretrain(root / "texts", tmp_path / "longer", longer)


def test_a_finished_stage_is_not_trained_again(root: Path) -> None:
    before = (root / "base" / "model.safetensors").stat().st_mtime_ns
    assert pretrain(root / "texts", root / "base", TINY).facts == read_manifest(root / "base").facts
    assert (root / "base" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(StoreError, match=r"config \(layers\)"):
        pretrain(root / "texts", root / "base", TINY.model_copy(update={"layers": 3}))


def test_lora_adapts_the_projections_and_never_the_tied_head(root: Path) -> None:
    from safetensors.torch import load_file

    names = load_file(root / "round1" / "adapter_model.safetensors")
    assert names
    assert not any("lm_head" in name or "embed" in name for name in names)
    assert {name.split(".")[-3] for name in names} == {
        "in_proj", "q_proj", "k_proj", "v_proj", "out_proj", "w1", "w2", "w3"
    }  # fmt: skip


def test_every_model_made_here_is_said_to_answer_with_code(root: Path) -> None:
    for name in ("base", "round1", "merged1", "round2", "model"):
        assert AutoTokenizer.from_pretrained(root / name).init_kwargs.get(ANSWERS_WITH_CODE) is True


def test_merged_equals_base_plus_adapter(root: Path) -> None:
    from safetensors.torch import load_file

    base, merged = weights(root / "base"), weights(root / "merged1")
    adapter = load_file(root / "round1" / "adapter_model.safetensors")
    scale = LORA.lora["lora_alpha"] / LORA.lora["r"]
    for name, weight in base.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        expected = weight
        if f"{stem}.lora_A.weight" in adapter:
            update = adapter[f"{stem}.lora_B.weight"].float() @ adapter[f"{stem}.lora_A.weight"].float()
            assert update.abs().max() > 0
            expected = (weight + scale * update).bfloat16().float()
        torch.testing.assert_close(merged[name], expected, rtol=1e-2, atol=1e-4)


def test_each_round_starts_from_its_own_model(root: Path) -> None:
    assert read_manifest(root / "round2").inputs["model"] != read_manifest(root / "round1").inputs["model"]
    assert read_manifest(root / "round2").facts["examples"] == read_manifest(root / "pairs").rows["pairs.jsonl"]


def test_the_answer_alone_is_learned(root: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(root / "base")
    prompt, whole = encode_pair(tokenizer, "an adder", "module adder;\nendmodule\n")
    assert whole[: len(prompt)] == prompt
    assert tokenizer.decode(whole[len(prompt) :]) == f"module adder;\nendmodule\n{END}"
    assert tokenizer.decode(prompt) == "/* an adder */\n"


def test_the_loss_of_round_2_counts_the_answer_and_not_the_problem(root: Path, tmp_path: Path) -> None:
    """The first loss that the trainer reports is the loss on the answers, computed here by hand."""
    one_step = {**LORA.sft, "max_steps": 1, "logging_steps": 1, "per_device_train_batch_size": 64, "bf16": False}
    manifest = round2(
        str(root / "merged1"), root / "pairs", tmp_path / "out", LORA.model_copy(update={"sft": one_step})
    )
    tokenizer = AutoTokenizer.from_pretrained(root / "merged1")
    model = AutoModelForCausalLM.from_pretrained(root / "merged1", dtype=torch.float32).eval()
    answers, everything = [], []
    for row in read_jsonl(root / "pairs" / "pairs.jsonl"):
        prompt, ids = encode_pair(tokenizer, row["draft"]["problem"], row["draft"]["code"])
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
        everything += losses.tolist()
        answers += losses[len(prompt) - 1 :].tolist()
    by_hand = sum(answers) / len(answers)
    assert abs(by_hand - sum(everything) / len(everything)) > 0.02, "the two losses must differ for this test to tell"
    assert manifest.facts["first_loss"] == pytest.approx(by_hand, abs=0.005)


def test_a_pair_that_is_too_long_is_dropped_and_named(root: Path, tmp_path: Path) -> None:
    short = LORA.model_copy(update={"sft": {**LORA.sft, "max_length": 120, "max_steps": 1}})
    manifest = round2(str(root / "merged1"), root / "pairs", tmp_path / "out", short)
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert dropped
    assert len(dropped) + manifest.facts["examples"] == read_manifest(root / "pairs").rows["pairs.jsonl"]
    assert "tokens, the most is 120" in dropped[0]["reason"]


@pytest.mark.parametrize("section", ["lora", "sft"])
def test_a_mistyped_key_names_the_nearest_and_the_corrected_one_works_in_the_same_folder(
    root: Path, tmp_path: Path, section: str
) -> None:
    key, wrong = {"lora": ("lora_alpha", "lora_alpa"), "sft": ("max_steps", "max_step")}[section]
    one_step = LORA.model_copy(update={"sft": {**LORA.sft, "max_steps": 1}})
    values = {k: v for k, v in getattr(one_step, section).items() if k != key}
    for bad, message in [
        ({**values, wrong: 1}, rf"{section}\.{wrong}; did you mean '{key}'"),
        ({**values, key: 1, **REFUSED[section]}, f"refuses the settings: {section}"),
    ]:
        with pytest.raises(ConfigError, match=message):
            round1(str(root / "base"), root / "texts", tmp_path / "out", one_step.model_copy(update={section: bad}))
    right = one_step.model_copy(update={section: {**values, key: 1}})
    assert round1(str(root / "base"), root / "texts", tmp_path / "out", right).facts["steps"] == 1


REFUSED: dict[str, dict[str, Any]] = {
    "lora": {"layers_to_transform": 1, "target_modules": "x", "r": 0},
    "sft": {"eval_strategy": "daily"},
}


def test_no_length_limit_keeps_every_row(root: Path, tmp_path: Path) -> None:
    free = LORA.model_copy(update={"sft": {**LORA.sft, "max_length": None, "max_steps": 1}})
    facts = round2(str(root / "merged1"), root / "pairs", tmp_path / "out", free).facts
    assert facts["examples"] == read_manifest(root / "pairs").rows["pairs.jsonl"]
    assert not (tmp_path / "out" / "dropped.jsonl").exists()


def test_an_adapter_is_joined_with_no_other_model_than_its_own(root: Path, tmp_path: Path) -> None:
    for model in (str(root / "merged1"), "somebody/else"):
        with pytest.raises(InputError, match=rf"not trained on this model: adapter {root / 'round1'}, model {model}"):
            merge(model, root / "round1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_terminal_shows_what_we_say_and_nothing_of_the_libraries(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("limit: 8\nlora: {r: 4}\nsft: {per_device_train_batch_size: 4, max_length: 512}\n")
    base, adapter = str(root / "base"), str(tmp_path / "round1")
    for command in (
        ["round1", "--config", str(config), "--model", base, "--data", str(root / "texts"), "--out", adapter],
        ["merge", "--model", base, "--adapter", adapter, "--out", str(tmp_path / "merged")],
    ):
        done = subprocess.run([AUTOVCODER, "finetune", *command], capture_output=True, text=True, check=True)
        ours = ("rows are ", "step ", f"{command[-1]}: ")
        assert all(line.startswith(ours) for line in done.stderr.splitlines()), done.stderr


def test_an_input_that_is_no_finished_stage_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "rtl.jsonl").write_text('{"id": "a", "text": "module a; endmodule"}')
    with Stage(tmp_path / "begun", "test", config={}) as stage:
        stage.start()
    for folder in (tmp_path / "plain", tmp_path / "begun"):
        with pytest.raises(StoreError, match="not a finished stage folder"):
            round1(str(root / "base"), folder, tmp_path / "out", LORA)
        with pytest.raises(StoreError, match="not a finished stage folder"):
            pretrain(folder, tmp_path / "out", TINY)
        with pytest.raises(StoreError, match="not a finished stage folder"):
            merge(str(root / "base"), folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"batch_tokens": 1000}, r"batch_tokens; batch_tokens \(1000\) must be at least context \(2048\)"),
        ({"width": 100, "heads": 8}, r"heads; width \(100\) must be a multiple of twice heads \(8\)"),
        ({"context": 0, "heads": 0}, "heads; .*greater than 0"),
        ({"long_share": 1.5}, "long_share; .*less than or equal to 1"),
    ],
)
def test_a_shape_that_does_not_fit_is_one_clear_message(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(PretrainSettings, None, flags)


def test_mistyped_or_impossible_pretraining_settings_do_not_lock_the_folder(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"trainer\.max_step; did you mean 'max_steps'"):
        pretrain(root / "texts", out, TINY.model_copy(update={"trainer": {"max_step": 1}}))
    with pytest.raises(InputError, match=r"fewer than one batch: .*lower batch_tokens \(1024000\)"):
        pretrain(root / "texts", out, TINY.model_copy(update={"batch_tokens": 1_024_000}))
    # The schedule is a default of ours that a user may change; what belongs to ours alone goes with it.
    right = TINY.model_copy(update={"trainer": {"max_steps": 1, "lr_scheduler_type": "linear"}})
    assert pretrain(root / "texts", out, right).facts["steps"] == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("adam_beta2", 0.9, r"not for you to set: trainer\.adam_beta2; the optimizer's own"),
        ("push_to_hub", True, r"not for you to set: trainer\.push_to_hub"),
        ("ignore_data_skip", True, r"not for you to set: trainer\.ignore_data_skip; a resumed training"),
        ("save_strategy", False, r"no checkpoint would ever be saved: trainer\.save_strategy"),
    ],
)
def test_what_would_break_a_resumption_or_do_nothing_is_refused(
    root: Path, tmp_path: Path, key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        pretrain(root / "texts", tmp_path / "out", TINY.model_copy(update={"trainer": {key: value}}))
    assert not (tmp_path / "out").exists()


def test_several_gpus_are_refused_before_anything_is_written(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainingArguments

    monkeypatch.setattr(TrainingArguments, "n_gpu", 2)
    with pytest.raises(ConfigError, match=r"trained on one GPU: trainer; set CUDA_VISIBLE_DEVICES to one"):
        pretrain(root / "texts", tmp_path / "out", TINY)
    assert not (tmp_path / "out").exists()


def test_a_base_text_that_lacks_something_is_named(tmp_path: Path) -> None:
    with Stage(tmp_path / "data", "data.texts", config={}) as stage:
        stage.append("base.jsonl", {"id": "a", "text": "module a; endmodule"})
        stage.append("base.jsonl", {"text": "module b; endmodule"})
        stage.finish()
    with pytest.raises(InputError, match=r"the row has no text 'id': .*base\.jsonl, row 2"):
        pretrain(tmp_path / "data", tmp_path / "out", TINY)
    assert not (tmp_path / "out").exists()


def test_the_manifest_counts_the_data_once_and_what_filled_no_batch(root: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(root / "base")
    sequences, _ = tokenized(read_jsonl(root / "texts" / "base.jsonl"), tokenizer, TINY)
    rows = [row for batch in make_batches(sequences, TINY) for row in batch["rows"]]
    facts = read_manifest(root / "base").facts
    assert facts["tokens_in_data"] == sum(len(ids) for ids, _ in rows)
    assert facts["learned_tokens_in_data"] < facts["tokens_in_data"]
    assert facts["sequences_left_over"] == len(sequences) - len(rows) > 0


@pytest.mark.parametrize("long_share", [0.0, 0.3, 1.0])
def test_base_texts_are_whole_in_batches_of_few_shapes(root: Path, long_share: float) -> None:
    settings = TINY.model_copy(update={"long_share": long_share})
    tokenizer = AutoTokenizer.from_pretrained(root / "base")
    rows = list(read_jsonl(root / "texts" / "base.jsonl"))
    sequences, dropped = tokenized(rows, tokenizer, settings)
    assert sum(tokenizer.decode(ids).count(END) for ids, _ in sequences) + len(dropped) == len(rows)
    assert all(len(ids) == len(labels) <= settings.context for ids, labels in sequences)
    batches = make_batches(sequences, settings)
    for batch in batches:
        assert all(len(ids) <= batch["length"] for ids, _ in batch["rows"])
        assert len(batch["rows"]) == settings.batch_tokens // batch["length"]
    assert len({batch["length"] for batch in batches}) <= settings.context // 64
    assert sum(len(batch["rows"]) for batch in batches) > len(sequences) / 2
    assert tokenized(rows, tokenizer, settings) == (sequences, dropped)
    assert make_batches(sequences, settings) == batches, "a resumed run must see the same batches"


@pytest.mark.parametrize(
    ("text", "learned"),
    [
        ("/* a y */\nmodule m;\n// inside\nendmodule\n", "\nmodule m;\n\nendmodule\n" + END),
        ("// a\n// y\nmodule m; endmodule // last", "\n\nmodule m; endmodule " + END),
        ("module m; endmodule\n/* module n */", "module m; endmodule\n" + END),
    ],
)
def test_comments_are_read_and_not_learned(root: Path, text: str, learned: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(root / "base")
    [(ids, labels)], _ = tokenized([{"id": "1", "text": text}], tokenizer, TINY)
    assert tokenizer.decode(ids) == text + END
    assert tokenizer.decode([label for label in labels if label != IGNORED]) == learned
    [(ids, labels)], _ = tokenized(
        [{"id": "1", "text": text}], tokenizer, TINY.model_copy(update={"learn_comments": True})
    )
    assert labels == ids


def test_training_goes_on_after_a_kill(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 in the middle: the next start resumes from a checkpoint, with the losses of one that nobody killed."""
    curves: list[list[tuple[int, float]]] = []

    def train_and_keep(trainer: Any) -> dict[str, Any]:
        facts = train(trainer)
        curves.append([(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry])
        return facts

    monkeypatch.setattr(finetune.pretrain, "train", train_and_keep)
    killed = (
        "import os; from transformers import TrainerCallback as T;"
        "T.on_save = lambda self, args, state, *_, **__: os.kill(os.getpid(), 9) if state.global_step > 19 else None;"
    )
    assert start_training(root, tmp_path / "out", slow(), killed).wait(120) == -signal.SIGKILL
    # What a kill in the middle of writing the next checkpoint leaves: the weights, or half of the last file.
    # And what a kill in the middle of its removal leaves: a state without weights.
    for number, state in ((99997, "{}"), (99998, None), (99999, '{"global_step": 9')):
        torn = tmp_path / "out" / "checkpoints" / f"checkpoint-{number}"
        torn.mkdir()
        if state != "{}":
            (torn / "model.safetensors").write_bytes(b"half")
        if state:
            (torn / "trainer_state.json").write_text(state)
    facts = pretrain(root / "texts", tmp_path / "out", slow()).facts
    assert facts["resumed"] is True
    assert not (tmp_path / "out" / "checkpoints").exists()
    whole = pretrain(root / "texts", tmp_path / "whole", slow()).facts
    assert facts["steps"] == whole["steps"]
    assert [step for step, _ in curves[0]] == [step for step, _ in curves[1]]
    assert curves[0][-1][0] > 25, "so that it says something of the steps behind the checkpoint"
    assert [loss for _, loss in curves[0]] == pytest.approx([loss for _, loss in curves[1]], rel=1e-4)


@pytest.mark.parametrize(
    ("where", "folder"), [("p.in_bfloat16", "checkpoints"), ("p.Stage.finish", ".checkpoints.partial")]
)
def test_a_kill_before_the_stage_is_finished_loses_no_training(
    root: Path, tmp_path: Path, where: str, folder: str
) -> None:
    killed = f"import os, finetune.pretrain as p; {where} = lambda *_, **__: os.kill(os.getpid(), 9);"
    assert start_training(root, tmp_path / "out", TINY, killed).wait(120) == -signal.SIGKILL
    steps = read_manifest(root / "base").facts["steps"]
    last = last_checkpoint(tmp_path / "out" / folder)
    assert last is not None
    assert last.name == f"checkpoint-{steps}"
    facts = pretrain(root / "texts", tmp_path / "out", TINY).facts
    assert (facts["resumed"], facts["steps"]) == (True, steps)
    torch.testing.assert_close(weights(tmp_path / "out"), weights(root / "base"))
    assert not [path for path in (tmp_path / "out").iterdir() if "checkpoints" in path.name]


def test_a_kill_while_the_checkpoints_are_removed_is_made_good(root: Path, tmp_path: Path) -> None:
    killed = "import os, shutil; shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), 9);"
    settings = TINY.model_copy(update={"trainer": {"max_steps": 1}})
    assert start_training(root, tmp_path / "out", settings, killed).wait(120) == -signal.SIGKILL
    assert (tmp_path / "out" / ".checkpoints.partial").is_dir()
    made = pretrain(root / "texts", tmp_path / "out", settings)
    assert made == read_manifest(tmp_path / "out")
    assert not [name for name in made.sha256 if "checkpoint" in name]
    assert not (tmp_path / "out" / ".checkpoints.partial").exists()


def test_a_kill_while_the_tokenizer_is_saved_is_made_good(root: Path, tmp_path: Path) -> None:
    killed = "import os, finetune.pretrain as p; p.replace_folder = lambda made, target: os.kill(os.getpid(), 9);"
    settings = TINY.model_copy(update={"trainer": {"max_steps": 1}})
    assert start_training(root, tmp_path / "out", settings, killed).wait(120) == -signal.SIGKILL
    (half,) = (tmp_path / "out" / "checkpoints").iterdir()
    (half / "tokenizer.json").write_text("{")
    pretrain(root / "texts", tmp_path / "out", settings)
    assert (tmp_path / "out" / "tokenizer.json").read_text() == (root / "base" / "tokenizer.json").read_text()


def start_training(root: Path, out: Path, settings: PretrainSettings, before: str = "") -> subprocess.Popen[bytes]:
    script = (
        f"{before}import sys; from pathlib import Path; from finetune.pretrain import *;"
        f"pretrain(Path({str(root / 'texts')!r}), Path({str(out)!r}),"
        f" PretrainSettings.model_validate_json({settings.model_dump_json()!r}))"
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def slow() -> PretrainSettings:
    return TINY.model_copy(update={"epochs": 3.0, "trainer": {"save_steps": 10, "logging_steps": 5, "bf16": False}})


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(["assign y = a & b;", "an 8-bit counter with reset"] * 20, 400, 512)


@given(text=st.text(max_size=200))
def test_any_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    clean = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if not any(token in text for token in tokenizer.all_special_tokens):
        assert tokenizer.decode(ids) == clean


@given(number=st.integers(0, 10**9))
def test_a_token_holds_two_digits_of_a_number_at_most(tokenizer: Any, number: int) -> None:
    tokens = tokenizer.tokenize(f"[{number}:0]", add_special_tokens=False)
    pairs = [str(number)[place : place + 2] for place in range(0, len(str(number)), 2)]
    # A pair that the texts do not have may be two tokens.
    taken = [part for pair in pairs for part in ([pair] if pair in tokens else list(pair))]
    assert tokens == ["[", *taken, ":", "0", "]"]


@pytest.mark.parametrize(
    "parts",
    [
        ("/* An 8-bit counter. */", "\nmodule c;\nendmodule\n"),
        ("// An 8-bit counter", "\n", "// with reset.", "\nmodule c; ", "// inside", "\nendmodule\n"),
        (
            "",
            "\n",
            "/* one */",
            "\n\n",
            "// two",
            "\nmodule c;\n",
            "/* inside */",
            "\nendmodule\n",
            "// d",
            "\nmodule d;",
        ),
        ("", "module c;\nendmodule\n"),
        (
            "",
            'module e;\n  initial $readmemh("a/*.hex", m);\n  initial $display("\\"//", "//");\n  assign x = y;\n',
            '// it has a "',
            "\nendmodule\n",
            '/* and "one" more */',
            "\n",
        ),
        ("// nothing else", ""),
    ],
)
def test_round_1_may_read_comments_without_learning_them(
    tokenizer: Any, parts: tuple[str, ...], tmp_path: Path
) -> None:
    """``parts``: comment and code by turns."""
    row: Row = {"id": "a", "problem": None, "text": "".join(parts)}
    with Stage(tmp_path / "stage", "test", config={}) as stage:
        [learned] = encode([row], tokenizer, stage=stage)
        [read] = encode([row], tokenizer, learn_comments=False, stage=stage)
    assert learned["unlearned"] == []
    ids, borders = read["input_ids"], [*read["unlearned"], len(read["input_ids"])]
    assert ids == learned["input_ids"]
    hidden = [tokenizer.decode(ids[start:end]) for start, end in zip(borders[:-1:2], borders[1::2], strict=False)]
    assert hidden == [part for part in parts[::2] if part]


def test_comments_are_not_left_out_by_a_tokenizer_that_cannot_tell_them(tmp_path: Path) -> None:
    row: Row = {"id": "a", "problem": None, "text": "// one\nmodule a;\nendmodule\n"}
    slow = ByT5Tokenizer()
    with Stage(tmp_path / "stage", "test", config={}) as stage:
        assert len(list(encode([row], slow, stage=stage))) == 1
        with pytest.raises(ConfigError, match="does not say where its tokens stand in a text"):
            list(encode([row], slow, learn_comments=False, stage=stage))


def test_examples_that_another_version_wrote_are_refused(tmp_path: Path) -> None:
    schema = pa.schema([("input_ids", pa.list_(pa.int32())), ("unlearned", pa.int32()), ("length", pa.int32())])
    with pa.OSFile(str(tmp_path / "old.arrow"), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_batch(pa.record_batch({"input_ids": [[1, 2]], "unlearned": [1], "length": [2]}, schema=schema))
    with pytest.raises(StoreError, match="another version began this training"):
        open_examples(tmp_path / "old.arrow")


def test_one_command_makes_a_model_and_its_card(tmp_path: Path) -> None:
    """The whole recipe at a toy size, by the command line, with the card's figures taken from that very run."""
    sizes = {
        "texts": {"base": 150, "rtl": 20},
        "pairs": {"pairs": 12, "problems": 4, "mutants": 0},
        "pretrain": {**TINY.model_dump(), "context": 1024},
        "round1": LORA.model_dump(),
        "round2": LORA.model_dump(),
    }
    config = tmp_path / "nano.yaml"
    config.write_text(json.dumps(sizes))  # JSON is YAML
    command = [AUTOVCODER, "finetune", "nano", "--out", str(tmp_path / "run")]
    done = subprocess.run([*command, "--config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "run" / "card.md").read_text()
    parameters = read_manifest(tmp_path / "run" / "base").facts["parameters"]
    assert f"{parameters:,} parameters" in text
    for name, stage in (("base", "base"), ("round 1", "round1"), ("round 2 only", "round2-only")):
        assert f"\n| {name} | {_passed(tmp_path / 'run' / 'eval' / f'pairs-{stage}')} (" in text
    passed = _passed(tmp_path / "run" / "eval" / "pairs-round2")
    assert f"\n| all | 4 | {passed} |" in text
    assert "modules that 0 of them ask for" in text
    assert f"\n| module in none of these texts and pairs | 4 | {passed} |" in text
    assert f"\n| rounds 1 and 2 | {passed} (" in text
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model").num_parameters() == parameters
    # Whoever writes what it says into a file gets the same run.
    again = tmp_path / "again.yaml"
    again.write_text(
        text.partition("`autovcoder finetune nano --out runs/nano --config nano.yaml`; with `")[2].partition("`")[0]
    )
    assert yaml.safe_load(again.read_text())["texts"] == {"base": 150, "rtl": 20}
    assert nano_settings(again) == nano_settings(config)
    assert "seeds: texts 0, pairs 0, base 0, round 1 0, round 2 0;" in text
    # The manifests of earlier versions have another name for the tokens.
    manifest = tmp_path / "run" / "base" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"tokens_in_data"', '"tokens"'))
    assert card(tmp_path / "run", nano_settings(config), ()) == text
    # What stands in a text after all is told, under whatever names.
    first = next(read_jsonl(tmp_path / "run" / "pairs" / "problems.jsonl"))
    asked = first["reference"].replace(re.findall(r"module (\w+)", first["reference"])[-1], "another_name")
    with (tmp_path / "run" / "texts" / "rtl.jsonl").open("a") as file:
        file.write(json.dumps({"id": "more", "text": asked}) + "\n")
    text = card(tmp_path / "run", nano_settings(config), ())
    assert "modules that 1 of them ask for" in text
    assert "\n| module in none of these texts and pairs | 3 |" in text


def _passed(run: Path) -> str:
    """The pass rate of a run of four problems, as a card states it."""
    verdicts = list(read_jsonl(run / "verdicts.jsonl"))
    assert len(verdicts) == 4
    return f"{sum(v['status'] == 'pass' for v in verdicts) / 4:.3f}"


def test_a_model_that_cannot_be_loaded_is_one_clear_line_and_locks_no_folder(root: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    make_texts(broken, TextSettings(base=2, rtl=1))  # a finished stage folder, but no model
    with pytest.raises(ModelError, match="cannot load the model to train") as caught:
        round1(str(broken), root / "texts", tmp_path / "out", LORA)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
