"""The rounds on tiny models of several architectures: what is read, packed, adapted, stacked, resumed and shared."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Lfm2Config, LlamaConfig

from autovcoder.errors import ConfigError, InputError, ModelError, StoreError, ToolMissing
from autovcoder.files import read_jsonl
from autovcoder.models.local import LocalModel
from autovcoder.records import Provenance, RtlModule, Sampling
from autovcoder.store import Stage, read_manifest
from finetune.adapters import check_stackable
from finetune.checkpoints import last_checkpoint
from finetune.corpus import encode_pair, read_texts
from finetune.merge import merge
from finetune.packing import packed_batch, padded_batch
from finetune.round_trainer import trainer_class
from finetune.rounds import RoundSettings, round1, round2
from finetune.tokenizer import END, train_tokenizer
from finetune.trainer import load_model

# trl and peft use what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

PAIRS = 48
SFT: dict[str, Any] = {
    "max_length": 256,
    "per_device_train_batch_size": 8,
    "gradient_checkpointing": False,
    "bf16": False,
    "logging_steps": 1,
    "learning_rate": 5e-2,
}
LORA: dict[str, Any] = {"r": 4, "lora_alpha": 32}
SETTINGS = RoundSettings(lora=LORA, sft=SFT)


def with_sft(settings: RoundSettings = SETTINGS, **sft: Any) -> RoundSettings:
    return settings.model_copy(update={"sft": {**settings.sft, **sft}})


def module(number: int, lines: int) -> str:
    body = "".join(f"    assign y[{i}] = a[{i}] ^ b[{(i + number) % 8}];\n" for i in range(lines))
    return f"module m{number} (input [7:0] a, b, output [7:0] y);\n{body}endmodule\n"


def pair(number: int) -> dict[str, Any]:
    code = module(number, 1 + number % 5)
    return {"draft": {"id": f"p{number}", "problem": f"xor number {number} of {1 + number % 5} bits", "code": code}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama whose output layer is its own, the same with a tied one, an LFM2, and data for both rounds."""
    root = tmp_path_factory.mktemp("rounds")
    tokenizer = train_tokenizer(
        [module(n, 8) for n in range(20)] + [pair(n)["draft"]["problem"] for n in range(20)], 400, 512
    )
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    configs = {
        "llama": LlamaConfig(**shape, tie_word_embeddings=False),
        "tied": LlamaConfig(**shape, tie_word_embeddings=True),
        "lfm2": Lfm2Config(**shape, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False),
    }
    for name, config in configs.items():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    with Stage(root / "pairs", "data.pairs", config={}) as stage:
        for number in range(PAIRS):
            stage.append("pairs.jsonl", pair(number))
        stage.finish()
    with Stage(root / "texts", "data.texts", config={}) as stage:
        for number in range(20):
            stage.append("rtl.jsonl", {"id": f"t{number}", "text": module(number, number)})
        stage.finish()
    return root


@pytest.fixture(scope="module")
def one(root: Path) -> Path:
    """A finished round 1 of the Llama, its output layer adapted too."""
    lora = {**LORA, "target_modules": ["q_proj", "v_proj", "lm_head"], "lora_dropout": 0.0}
    round1(str(root / "llama"), root / "texts", root / "one", SETTINGS.model_copy(update={"lora": lora}))
    return root / "one"


def log(folder: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(folder / "training_log.jsonl"))


def encoded(root: Path) -> list[tuple[list[int], list[int]]]:
    tokenizer = AutoTokenizer.from_pretrained(root / "llama")
    drafts = (row["draft"] for row in read_jsonl(root / "pairs" / "pairs.jsonl"))
    both = [encode_pair(tokenizer, draft["problem"], draft["code"]) for draft in drafts]
    return [(ids, [0, len(prompt)]) for prompt, ids in both]


def test_a_packed_step_has_the_loss_of_an_unpacked_one_and_less_padding(root: Path, tmp_path: Path) -> None:
    facts, first = {}, {}
    for packing in ("auto", "on", "off"):
        settings = with_sft(per_device_train_batch_size=PAIRS, num_train_epochs=2).model_copy(
            update={"packing": packing}
        )
        facts[packing] = round2(str(root / "llama"), root / "pairs", tmp_path / packing, settings).facts
        first[packing] = facts[packing]["first_loss"]
    assert [facts[packing]["packed"] for packing in ("auto", "on", "off")] == [True, True, False]
    assert first["on"] == first["auto"] == pytest.approx(first["off"], rel=1e-5)
    # Two epochs of everything, however it lies in the rows.
    tokens = 2 * sum(len(ids) for ids, _ in encoded(root))
    assert facts["on"]["tokens"] == facts["off"]["tokens"] == tokens == log(tmp_path / "on")[-1]["tokens"]
    assert facts["on"]["padding"] < 0.1 < facts["off"]["padding"]
    assert facts["on"]["tokens_per_second"] > 0


def test_rows_of_like_length_or_a_budget_of_tokens_leave_little_padding(root: Path, tmp_path: Path) -> None:
    like = SETTINGS.model_copy(update={"packing": "off"})
    budget = RoundSettings(
        lora=LORA,
        sft={key: value for key, value in SFT.items() if key != "per_device_train_batch_size"},
        packing="off",
        tokens_per_batch=800,
    )
    both = [
        round2(str(root / "llama"), root / "pairs", tmp_path / name, settings).facts
        for name, settings in (("like", like), ("budget", budget))
    ]
    tokens = sum(len(ids) for ids, _ in encoded(root))
    for facts in both:
        assert facts["tokens"] == tokens
        assert facts["padding"] < 0.12
    assert both[0]["steps"] == PAIRS / 8
    assert tokens / 800 <= both[1]["steps"] < 2 * tokens / 800
    with pytest.raises(ConfigError, match=r"tokens_per_batch, sft\.per_device_train_batch_size; leave one out"):
        round2(
            str(root / "llama"), root / "pairs", tmp_path / "no", SETTINGS.model_copy(update={"tokens_per_batch": 800})
        )
    with pytest.raises(ConfigError, match=r"room for the longest row: tokens_per_batch \(100\)"):
        round2(
            str(root / "llama"), root / "pairs", tmp_path / "no", budget.model_copy(update={"tokens_per_batch": 100})
        )


def test_a_model_with_short_convolutions_is_not_packed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = with_sft(max_steps=1)
    facts = round2(str(root / "lfm2"), root / "pairs", tmp_path / "auto", once).facts
    assert facts["packed"] is False
    assert "not packed, but of like length: what stands before an example" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"cannot be trained on packed rows: .*; set packing: off"):
        round2(str(root / "lfm2"), root / "pairs", tmp_path / "on", once.model_copy(update={"packing": "on"}))
    assert not (tmp_path / "on").exists()


@pytest.mark.filterwarnings("ignore:.*label_smoothing_factor.* is deprecated:FutureWarning")
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("packed", [True, False])
def test_our_loss_is_the_one_of_trl(root: Path, tmp_path: Path, packed: bool, smoothing: float) -> None:
    from peft import LoraConfig, get_peft_model
    from trl import SFTConfig

    rows = encoded(root)[:6]
    batch = packed_batch([rows[:3], rows[3:]], 0) if packed else padded_batch(rows, 0)
    losses = []
    for own in (True, False):
        model = AutoModelForCausalLM.from_pretrained(root / "llama", dtype=torch.float32)
        torch.manual_seed(0)
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
        args = SFTConfig(
            output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], gradient_checkpointing=False,
            dataset_kwargs={"skip_prepare_dataset": True}, label_smoothing_factor=smoothing,
        )  # fmt: skip
        trainer = trainer_class()(
            model=adapted, args=args, processing_class=AutoTokenizer.from_pretrained(root / "llama")
        )
        assert trainer.own_loss
        trainer.own_loss = own
        trainer.model.train()
        loss = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=torch.tensor(77))
        loss.backward()
        grads = [p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]
        losses.append((loss.detach(), torch.cat(grads)))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-6)


def modules() -> Iterator[RtlModule]:
    where = Provenance(repo="me/mine", commit="0" * 40, path="a.v", license="MIT", first_line=1, last_line=2)
    for number in range(20):
        text = module(number, number)
        yield RtlModule(
            id=f"t{number}",
            name=f"m{number}",
            language="verilog-2001",
            code=text,
            ports=(),
            instances=(),
            provenance=where,
        )


def test_round_1_reads_the_shards_of_a_corpus_as_it_reads_texts(root: Path, tmp_path: Path) -> None:
    from data_pipeline.documents import ModuleWriter, to_document

    documents = [to_document(one) for one in modules()]
    with Stage(tmp_path / "corpus", "data.select", config={}) as stage:
        stage.start()
        for rank, some in enumerate((documents[:11], documents[11:])):
            list(ModuleWriter(tmp_path / "corpus" / "data").run(iter(some), rank=rank))
        stage.finish()
    assert len(list((tmp_path / "corpus" / "data").glob("*.parquet"))) == 2
    assert list(read_texts(tmp_path / "corpus")) == list(read_texts(root / "texts"))
    short = with_sft(max_length=100)
    made = {
        name: round1(str(root / "llama"), folder, tmp_path / name, short)
        for name, folder in (("texts", root / "texts"), ("shards", tmp_path / "corpus"))
    }
    assert log(tmp_path / "texts") == log(tmp_path / "shards")
    dropped = list(read_jsonl(tmp_path / "shards" / "dropped.jsonl"))
    assert dropped
    assert len(dropped) + made["shards"].facts["examples"] == 20
    assert all("tokens, the most is 100" in row["reason"] for row in dropped)
    assert not (tmp_path / "shards" / "checkpoints").exists()


def test_data_without_rows_or_of_another_kind_is_one_clear_line(root: Path, tmp_path: Path) -> None:
    with Stage(tmp_path / "empty", "data.texts", config={}) as stage:
        stage.start()
        (tmp_path / "empty" / "rtl.jsonl").write_text("")
        stage.finish()
    with pytest.raises(InputError, match=r"no training example is left: .*empty; it has no rows"):
        round1(str(root / "llama"), tmp_path / "empty", tmp_path / "out", SETTINGS)
    with pytest.raises(InputError, match=r"neither rtl.jsonl nor data/\*.parquet: .*pairs; give a folder"):
        round1(str(root / "llama"), root / "pairs", tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()
    with Stage(tmp_path / "broken", "data.select", config={}) as stage:
        stage.start()
        (tmp_path / "broken" / "data").mkdir()
        (tmp_path / "broken" / "data" / "00000.parquet").write_text("no parquet")
        stage.finish()
    with pytest.raises(InputError, match=r"cannot read the shard: .*00000.parquet"):
        round1(str(root / "llama"), tmp_path / "broken", tmp_path / "out", SETTINGS)


def test_an_output_layer_of_its_own_is_adapted_and_saved_without_its_weights(root: Path, one: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(one / "adapter_model.safetensors")
    assert {name.split(".")[-3] for name in state} == {"q_proj", "v_proj", "lm_head"}
    assert all(name.endswith(("lora_A.weight", "lora_B.weight")) for name in state)
    assert state["base_model.model.lm_head.lora_B.weight"].abs().max() > 0
    losses = [row["loss"] for row in log(one)]
    assert losses[-1] < losses[0]


def test_a_tied_output_layer_is_left_out_and_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lora = {**LORA, "target_modules": ["q_proj", "lm_head"]}
    round2(
        str(root / "tied"), root / "pairs", tmp_path / "out", with_sft(max_steps=1).model_copy(update={"lora": lora})
    )
    assert "lm_head is left out of the LoRA: it is tied to the embedding" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["target_modules"] == ["q_proj"]


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings=True.")  # peft's own word for it
@pytest.mark.parametrize(
    "lora",
    [
        {"target_modules": ".*(q_proj|lm_head)"},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    ],
)
def test_a_tied_layer_that_a_merge_would_adapt_once_is_refused(
    root: Path, tmp_path: Path, lora: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="tied to the embedding, and neither can be adapted"):
        round2(str(root / "tied"), root / "pairs", tmp_path / "out", SETTINGS.model_copy(update={"lora": LORA | lora}))
    assert not (tmp_path / "out").exists()


def test_what_is_longer_than_the_models_own_context_is_dropped(root: Path, tmp_path: Path) -> None:
    with Stage(tmp_path / "texts", "data.texts", config={}) as stage:
        for lines in (1, 100):
            stage.append("rtl.jsonl", {"id": f"t{lines}", "text": module(1, lines)})
        stage.finish()
    made = round1(str(root / "llama"), tmp_path / "texts", tmp_path / "out", with_sft(max_length=2048, max_steps=1))
    assert made.facts["examples"] == 1
    [dropped] = read_jsonl(tmp_path / "out" / "dropped.jsonl")
    assert dropped["reason"].endswith("tokens, the most is 512")


def test_what_is_logged_to_tensorboard_outlives_the_checkpoints(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = with_sft(
        max_steps=3, report_to="tensorboard", lr_scheduler_type="linear", model_init_kwargs={"dtype": "float32"}
    )
    round2(str(root / "llama"), root / "pairs", tmp_path / "out", settings)
    assert "model_init_kwargs" not in caplog.text
    assert not (tmp_path / "out" / "checkpoints").exists()
    logged = EventAccumulator(str(tmp_path / "out" / "runs"))
    logged.Reload()
    losses = [row["loss"] for row in log(tmp_path / "out")]
    assert [event.value for event in logged.Scalars("train/loss")] == pytest.approx(losses)
    assert [row["learning_rate"] for row in log(tmp_path / "out")] == [0.0, 5e-2, 2.5e-2]
    # Its files have this machine's name and the time in theirs, and are no part of the round.
    named = read_manifest(tmp_path / "out").sha256
    assert "adapter_model.safetensors" in named
    assert not [name for name in named if name.startswith("runs/")]


def test_a_module_that_is_not_there_is_one_clear_line(root: Path, tmp_path: Path) -> None:
    lora = {**LORA, "target_modules": ["qq_proj"]}
    with pytest.raises(ConfigError, match="the model cannot be adapted so: lora; Target modules"):
        round2(str(root / "llama"), root / "pairs", tmp_path / "out", SETTINGS.model_copy(update={"lora": lora}))
    assert not (tmp_path / "out").exists()


def test_a_round_on_an_adapter_gives_one_adapter_that_is_both(root: Path, one: Path, tmp_path: Path) -> None:
    lora = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "up_proj"], "use_rslora": True}
    settings = SETTINGS.model_copy(update={"lora": lora})
    stacked = round2(str(one), root / "pairs", tmp_path / "two", settings)
    assert stacked.facts["stacked_on"] == str(one)
    assert json.loads((tmp_path / "two" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        root / "llama"
    )
    # The other way to the same: merge the first round, train the second on that model, add its update.
    from peft import PeftModel

    def load(adapter: Path, model: Any = None) -> Any:
        model = model or AutoModelForCausalLM.from_pretrained(root / "llama", dtype=torch.float32)
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()

    load(one).save_pretrained(tmp_path / "middle")
    AutoTokenizer.from_pretrained(one).save_pretrained(tmp_path / "middle")
    round2(str(tmp_path / "middle"), root / "pairs", tmp_path / "apart", settings)
    expected = load(tmp_path / "apart", load(one)).state_dict()
    for name, weight in load(tmp_path / "two").state_dict().items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-4)
    assert [row["loss"] for row in log(tmp_path / "two")] == pytest.approx(
        [row["loss"] for row in log(tmp_path / "apart")], rel=1e-3
    )
    # It is used and merged like any adapter of the model below both.
    merge(str(root / "llama"), tmp_path / "two", tmp_path / "model")
    asked = [
        LocalModel(str(tmp_path / name)).complete(["xor"], Sampling(max_new_tokens=4)) for name in ("two", "model")
    ]
    assert asked[0] == asked[1]
    with pytest.raises(InputError, match="not trained on this model"):
        merge(str(tmp_path / "middle"), tmp_path / "two", tmp_path / "no")


def test_what_cannot_be_stacked_is_refused_before_any_training(root: Path, one: Path, tmp_path: Path) -> None:
    dora = SETTINGS.model_copy(update={"lora": {**LORA, "use_dora": True}})
    with pytest.raises(ConfigError, match="an adapter with use_dora cannot be stacked: lora; merge it first"):
        round2(str(one), root / "pairs", tmp_path / "out", dora)
    with pytest.raises(ModelError, match="this is an adapter, not a model"):
        load_model(str(one))
    embedding = {**LORA, "target_modules": ["q_proj", "embed_tokens"]}
    with pytest.raises(ConfigError, match="an adapter of an embedding cannot be stacked: lora; merge it first"):
        round2(str(one), root / "pairs", tmp_path / "out", SETTINGS.model_copy(update={"lora": embedding}))
    assert not (tmp_path / "out").exists()
    first = with_sft(max_steps=1).model_copy(update={"lora": embedding})
    round1(str(root / "llama"), root / "texts", tmp_path / "first", first)
    with pytest.raises(InputError, match=r"an adapter of an embedding cannot be stacked: .*first; merge it first"):
        round2(str(tmp_path / "first"), root / "pairs", tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_not_whole_is_never_filled_with_random_numbers(
    root: Path, one: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    torn = tmp_path / "torn"
    shutil.copytree(root / "llama", torn)
    weights = load_file(torn / "model.safetensors")
    save_file(
        {name: weight for name, weight in weights.items() if name != "model.norm.weight"},
        torn / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"the checkpoint lacks weights: .*torn; model\.norm\.weight"):
        round2(str(torn), root / "pairs", tmp_path / "out", SETTINGS)
    config = json.loads((torn / "config.json").read_text())
    (torn / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    with pytest.raises(ModelError, match=r"weights of other shapes than config\.json says: .*torn; .*mlp"):
        round2(str(torn), root / "pairs", tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_at_the_end_is_one_clear_line(root: Path, one: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StoreError, match=r"cannot write: .*model; .*File too large") as caught:
            merge(str(root / "llama"), one, tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert read_manifest(one).facts["steps"] > 0
    merge(str(root / "llama"), one, tmp_path / "model")


def test_nothing_is_stacked_where_no_process_has_the_whole_model(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft import LoraConfig

    check_stackable(str(one), LoraConfig())
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(InputError, match=r"under FSDP or ZeRO-3 no process can merge an adapter.*; merge it first"):
        check_stackable(str(one), LoraConfig())


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"base_model_name_or_path": null}'])
def test_an_adapter_with_damaged_settings_is_one_clear_line(root: Path, one: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(one, tmp_path / "one")
    (tmp_path / "one" / "adapter_config.json").write_text(damage)
    with pytest.raises(InputError, match=r"the adapter's settings .*: .*adapter_config\.json"):
        round2(str(tmp_path / "one"), root / "pairs", tmp_path / "out", SETTINGS)
    with pytest.raises(InputError, match=r"the adapter cannot be merged: .*one"):
        merge(str(root / "llama"), tmp_path / "one", tmp_path / "model")


@pytest.mark.parametrize(
    ("which", "row", "message"),
    [
        (round1, {"id": "a", "text": None}, r"the row has no text 'text': .*rtl\.jsonl, row 2"),
        (round1, {"text": "module a; endmodule"}, r"the row has no text 'id': .*rtl\.jsonl, row 2"),
        (round2, {"x": 1}, r"the row has no text 'id': .*pairs\.jsonl, row 2, draft"),
        (round2, {"draft": {"id": "a", "problem": "p"}}, r"the row has no text 'code': .*pairs\.jsonl, row 2, draft"),
    ],
)
def test_a_row_that_lacks_something_is_named(
    root: Path, tmp_path: Path, which: Any, row: dict[str, Any], message: str
) -> None:
    file, good = ("rtl.jsonl", {"id": "t", "text": module(1, 2)}) if which is round1 else ("pairs.jsonl", pair(1))
    with Stage(tmp_path / "data", "data.some", config={}) as stage:
        stage.append(file, good)
        stage.append(file, row)
        stage.finish()
    with pytest.raises(InputError, match=message):
        which(str(root / "llama"), tmp_path / "data", tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_base_that_changed_under_its_adapter_is_found_out(root: Path, one: Path, tmp_path: Path) -> None:
    shutil.copytree(one, tmp_path / "one")
    config = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(root / "tied")
    (tmp_path / "one" / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"the adapter was not trained on this model: .*tied"):
        round2(str(tmp_path / "one"), root / "pairs", tmp_path / "out", SETTINGS)
    with pytest.raises(InputError, match=r"the adapter was not trained on this model: .*tied"):
        LocalModel(str(tmp_path / "one"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (with_sft(packing=True), r"sft\.packing; set packing, beside sft"),
        (with_sft(completion_only_loss=False), r"sft\.completion_only_loss; round 1 learns whole texts"),
        (with_sft(model_init_kwargs={"trust_remote_code": True}), "trust_remote_code; code of a model's repository"),
        (with_sft(model_init_kwargs={"revision": "v1.0"}), r"model_init_kwargs\.revision; .* give their folder"),
        (with_sft(save_only_model=True), r"sft\.save_only_model; a resumed training would not be"),
        (
            with_sft(restore_callback_states_from_checkpoint=True),
            r"sft\.restore_callback_states_from_checkpoint; a res",
        ),
        (with_sft(save_strategy="no"), r"no checkpoint would ever be saved: sft\.save_strategy"),
        (with_sft(report_to="wandb"), "the trainer refuses the settings: sft; .*wandb"),
        (with_sft(eval_strategy="steps"), "the trainer refuses the settings: sft; .*eval"),
        (with_sft(max_length=None).model_copy(update={"packing": "on"}), r"sft\.max_length; set it, or packing: off"),
        (SETTINGS.model_copy(update={"quantization": {"load_in_4bit": True}}), "quantization"),
        (SETTINGS.model_copy(update={"quantization": {"bnb_4bit_quant_type": "nf4"}}), "of how many bits"),
        (SETTINGS.model_copy(update={"lora": {**LORA, "r": "8"}}), r"lora\.r; expected int, not '8'"),
        (SETTINGS.model_copy(update={"lora": {**LORA, "r": 0}}), "lora; .*positive integer"),
        (with_sft(max_length="256"), r"sft\.max_length; expected int or null, not '256'"),
        (with_sft(learning_rate="abc"), r"sft\.learning_rate; expected float, not 'abc'"),
        (with_sft(gradient_accumulation_steps=0), r"sft\.gradient_accumulation_steps; expected 1 or more, not 0"),
        (with_sft(per_device_train_batch_size=0), r"sft\.per_device_train_batch_size; expected 1 or more, not 0"),
        (with_sft(model_init_kwargs="x"), r"expected a mapping of names to values: sft\.model_init_kwargs"),
        (with_sft(model_init_kwargs={"dtype": "float33"}), "cannot load the model to train: .*float33"),
        (with_sft(model_init_kwargs={"nonsense": 1}), "cannot load the model to train: .*nonsense"),
        (with_sft(lr_scheduler_type="cosine", lr_scheduler_kwargs={"nonsense": 1}), "sft; .*nonsense"),
        (with_sft(optim="adamw_nonsense"), "sft; .*adamw_nonsense"),
    ],
)
def test_a_setting_that_cannot_be_is_one_clear_line_and_costs_no_folder(
    root: Path, tmp_path: Path, settings: RoundSettings, message: str
) -> None:
    with pytest.raises((ConfigError, ToolMissing, ModelError), match=message) as caught:
        round2(str(root / "llama"), root / "pairs", tmp_path / "out", settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_yaml_may_write_on_and_off() -> None:
    assert RoundSettings.model_validate({"packing": True}).packing == "on"
    assert RoundSettings.model_validate({"packing": False}).packing == "off"


def test_a_template_that_refuses_the_system_role_is_asked_as_in_generation(root: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(root / "llama")
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}"
        "<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    prompt, whole = encode_pair(tokenizer, "a gate", "module g; endmodule")
    assert str(tokenizer.decode(prompt)).startswith("<|user|>You are an expert")
    # This template ends no answer, so the end token does: a model must learn to stop.
    assert tokenizer.decode(whole[len(prompt) :]) == f"module g; endmodule{END}"
    tokenizer.chat_template = tokenizer.chat_template.replace("{% endfor", f"{END}\n{{% endfor")
    prompt, whole = encode_pair(tokenizer, "a gate", "module g; endmodule")
    assert tokenizer.decode(whole[len(prompt) :]) == f"module g; endmodule{END}\n"
    tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(InputError, match="chat template does not work; never"):
        encode_pair(tokenizer, "a gate", "module g; endmodule")


def start(arguments: list[str], launcher: list[str] | None = None) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        *(launcher or []),
        *(["-m"] if launcher else []),
        "autovcoder",
        "finetune",
        *arguments,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("packing", ["on", "off"])
def test_after_a_kill_the_curve_goes_on_as_if_nothing_had_been(root: Path, tmp_path: Path, packing: str) -> None:
    """kill -9 in the third epoch: the losses after it are those of a training that nobody interrupted."""
    settings = with_sft(num_train_epochs=4, per_device_train_batch_size=4 if packing == "on" else 8, save_steps=5)
    settings = settings.model_copy(update={"packing": packing, "lora": {**LORA, "lora_dropout": 0.1}})
    whole = round2(str(root / "llama"), root / "pairs", tmp_path / "whole", settings)
    third = whole.facts["steps"] // 2
    script = (
        "import os; from pathlib import Path; from transformers import TrainerCallback\n"
        "from finetune.rounds import RoundSettings, round2\n"
        "def saved(self, args, state, control, **_):\n"
        f"    if state.global_step >= {third}: os.kill(os.getpid(), 9)\n"
        "TrainerCallback.on_save = saved\n"
        f"settings = RoundSettings.model_validate_json({settings.model_dump_json()!r})\n"
        f"round2({str(root / 'llama')!r}, Path({str(root / 'pairs')!r}), Path({str(tmp_path / 'out')!r}), settings)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    last = last_checkpoint(tmp_path / "out" / "checkpoints")
    assert last
    state = json.loads((last / "trainer_state.json").read_text())
    assert third <= state["global_step"] < whole.facts["steps"]
    resumed = round2(str(root / "llama"), root / "pairs", tmp_path / "out", settings)
    assert resumed.facts["resumed"] is True
    assert resumed.facts["tokens"] == whole.facts["tokens"]
    assert resumed.facts["padding"] == whole.facts["padding"]
    assert resumed.facts["seconds"] > state["stateful_callbacks"]["Progress"]["attributes"]["before"] > 0
    expected, found = log(tmp_path / "whole"), log(tmp_path / "out")
    assert [row["step"] for row in found] == [row["step"] for row in expected] == list(range(1, len(expected) + 1))
    for key in ("loss", "learning_rate", "tokens"):
        assert [row[key] for row in found] == pytest.approx([row[key] for row in expected], rel=1e-4)


def test_two_processes_learn_what_one_does(root: Path, tmp_path: Path) -> None:
    for_one = with_sft(per_device_train_batch_size=8, num_train_epochs=2).model_copy(update={"packing": "off"})
    round2(str(root / "llama"), root / "pairs", tmp_path / "one", for_one)
    config = tmp_path / "two.yaml"
    config.write_text(with_sft(for_one, per_device_train_batch_size=4).model_dump_json(exclude_defaults=True))
    arguments = ["round2", "--model", str(root / "llama"), "--data", str(root / "pairs"), "--config", str(config)]
    arguments += ["--out", str(tmp_path / "two")]
    launcher = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    for _ in range(2):  # the second time, it is finished
        process = start(arguments, launcher)
        try:
            stderr = process.communicate(timeout=300)[1]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the launcher and its processes
        assert process.returncode == 0, stderr
        assert stderr.count("examples 48") == 1, "the first process alone speaks"
    facts = read_manifest(tmp_path / "two").facts
    assert (facts["processes"], facts["tokens"]) == (2, read_manifest(tmp_path / "one").facts["tokens"])
    for key in ("loss", "learning_rate", "tokens"):
        assert [row[key] for row in log(tmp_path / "two")] == pytest.approx(
            [row[key] for row in log(tmp_path / "one")], rel=2e-3
        )


def test_processes_wait_for_the_first_as_long_as_they_are_told(tmp_path: Path) -> None:
    script = (
        "import os, time; from finetune.processes import from_main, is_main, join_group\n"
        "join_group(timeout=1)\n"
        "if is_main(): time.sleep(60)\n"
        "from_main(1)\n"
    )
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, **place, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        said = processes[1].communicate(timeout=50)[1]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert "imed out" in said


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_problems_of_a_validation_are_asked_during_the_training(root: Path, tmp_path: Path) -> None:
    from data_pipeline.pairs import PairSettings, make_pairs
    from hdl_sim.icarus import Icarus

    make_pairs(tmp_path / "held", PairSettings(pairs=4, problems=2, families=("gate",), mutants=0), Icarus())
    asked = {"problems": tmp_path / "held" / "problems.jsonl", "every": 4, "max_new_tokens": 8}
    settings = RoundSettings(lora=LORA, sft=SFT, packing="off", validation=asked)  # type: ignore[arg-type]
    made = round2(str(root / "llama"), root / "pairs", tmp_path / "out", settings)
    rows = list(read_jsonl(tmp_path / "out" / "validation.jsonl"))
    assert [row["step"] for row in rows] == [4, 6]
    assert "Validated in training" in (tmp_path / "out" / "README.md").read_text()
    assert made.facts["validation"]["step"] in (4, 6)
    assert "validation" in made.inputs
