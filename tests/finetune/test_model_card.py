"""Cards from real manifests, a real adapter and a real report, read back by the hub's own library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from autovcoder.cli.stage_options import weights_hash
from autovcoder.errors import InputError, StoreError
from autovcoder.files import write_jsonl
from autovcoder.models.local import resolve
from autovcoder.records import Bench, PassRule, Problem, Rule, Status, Verdict
from autovcoder.store import Stage, hash_input, read_manifest
from eval.report import make_report
from finetune.model_card import describe_data, describe_lora, describe_recipe, model_card, write_card
from finetune.validation import FILE

# trl uses what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

VERSIONS = {"torch": "2.13.0", "peft": "0.21.2"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# base\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "pairs"
    with Stage(folder, "data.pairs", config={}, seed=5) as stage:
        for number in range(12):
            stage.append("pairs.jsonl", {"id": str(number)})
        stage.finish(held_out_problems=4, note="/home/somebody/secret")
    return folder


def make_round(
    base: Path,
    data: Path,
    out: Path,
    *,
    model: str | None = None,
    named: str | None = None,
    below: Path | None = None,
    **more: Any,
) -> Path:
    """A finished round's folder, with all that a training leaves but the training.

    Args:
        model: the hub's id of the base. ``named``: the base as the adapter names it. ``below``: the round stacked on.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig

    loaded = AutoModelForCausalLM.from_pretrained(base)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = SFTConfig(output_dir=str(out / "checkpoints"), learning_rate=3e-4, bf16=False, report_to="none")
    inputs = {"data": data} | ({} if model else {"model": below or base}) | ({"base": base} if below else {})
    started: dict[str, Any] = {"config": {"limit": None} | ({"model": model} if model else {}), "seed": 3}
    started["inputs"] = inputs
    with Stage(out, "finetune.round2", **started, versions=VERSIONS) as stage:
        stage.start()
        get_peft_model(loaded, lora).save_pretrained(out)
        if named is not None:
            settings = json.loads((out / "adapter_config.json").read_text())
            (out / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": named}))
        assert "Model Card for Model ID" in (out / "README.md").read_text(), "peft writes an empty form"
        rows = [
            {"step": 20, "epoch": 0.5, "passed": 3, "compiled": 9, "count": 10, "pass_rate": 0.3, "syntax_rate": 0.9},
            {"step": 40, "epoch": 1.0, "passed": 2, "compiled": 9, "count": 10, "pass_rate": 0.2, "syntax_rate": 0.9},
        ]
        write_jsonl(out / FILE, rows)
        facts = {
            "examples": 12, "first_loss": 2.5, "last_loss": 0.123456789, "place": str(base),
            "data": describe_data(data), "recipe": describe_recipe(arguments), "validation": {"step": 20},
        } | more  # fmt: skip
        write_card(stage, facts)
        stage.finish(**facts)
    return out


@pytest.fixture(scope="module")
def trained(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_round(base, data, tmp_path_factory.mktemp("rounds") / "round2")


def test_the_card_of_a_round_tells_what_its_manifest_tells(trained: Path, data: Path) -> None:
    card = ModelCard.load(trained / "README.md")
    head = card.data.to_dict()
    assert (head["library_name"], head["pipeline_tag"], head["license"]) == (
        "peft",
        "text-generation",
        "apache-2.0",
    )
    assert head["training_data"] == [{"stage": "data.pairs", "sha256": hash_input(data)}]
    for line in (
        "finetune.round2: examples 12, first loss 2.5, last loss 0.123457; seed 3",
        "adapter: peft type LORA, r 4, lora alpha 8, lora dropout 0, target modules q_proj, v_proj",
        "learning rate 0.0003, lr scheduler type linear",
        "data of data.pairs: 12 rows in pairs.jsonl; held out problems 4",
        f"input model: sha256 `{read_manifest(trained).inputs['model']}`",
        "torch 2.13.0",
        "| 20 (kept) | 3 of 10 | 0.300 | 0.108 to 0.603 | 0.900 |",
        "| 40 | 2 of 10 | 0.200 |",
    ):
        assert line in card.text, line


def test_the_card_names_no_place_on_this_machine(trained: Path, base: Path) -> None:
    text = (trained / "README.md").read_text()
    assert str(base) in (trained / "adapter_config.json").read_text(), "so that this test can tell"
    assert str(base) not in text
    assert "somebody" not in text
    assert "base_model" not in ModelCard(text).data.to_dict()


def test_a_base_from_the_hub_is_named(base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = make_round(base, data, tmp_path / "out", model="owner/model-7b")
    (tmp_path / "owner" / "model-7b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)  # where a folder is called so too
    for text in (model_card("x", {"format": "adapter", "base": "owner/model-7b"}, base, out), _written(out)):
        card = ModelCard(text)
        assert card.data.base_model == "owner/model-7b"
        assert "Made from owner/model-7b." in card.text


def _written(folder: Path) -> str:
    return (folder / "README.md").read_text()


@pytest.mark.parametrize("elsewhere", ["../base", "./base", "/models/base"])
def test_a_path_is_no_base_for_the_hub(base: Path, trained: Path, elsewhere: str) -> None:
    card = ModelCard(model_card("x", {"format": "adapter", "base": elsewhere}, base, trained))
    assert card.data.base_model is None
    assert (card.data.library_name, card.data.license) == ("peft", "apache-2.0")


@pytest.mark.parametrize("name", ["", "base", "."])
def test_a_relative_base_lends_no_licence_of_another_folder(
    base: Path, data: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, tmp_path / "base"):
        folder.mkdir(exist_ok=True)
        (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    monkeypatch.chdir(tmp_path)
    card = ModelCard(_written(make_round(base, data, tmp_path / "out", named=name)))
    assert card.data.license is None
    assert "No licence is stated here" in card.text


def test_a_stacked_round_tells_of_both_and_of_the_lora_that_it_trained(
    base: Path, trained: Path, data: Path, tmp_path: Path
) -> None:
    below, out = tmp_path / "below", tmp_path / "out"
    shutil.copytree(trained, below)
    lora = describe_lora(trained) | {"r": 2, "lora_alpha": 4}
    make_round(base, data, out, below=below, stacked_on=str(below), examples=77, lora=lora)
    for text in (_written(out), model_card("x", {"format": "safetensors"}, base, out)):
        assert text.index("examples 12") < text.index("examples 77")
        assert text.index("r 4, lora alpha 8") < text.index("on top of another round") < text.index("r 2, lora alpha 4")
    (below / "manifest.json").unlink()  # or another folder that is called so now
    text = model_card("x", {"format": "safetensors"}, base, out)
    assert "examples 12" not in text
    assert "on top of another round's adapter" in text


def test_nothing_is_said_of_a_model_that_was_not_trained_here(base: Path) -> None:
    text = model_card("x", {"format": "safetensors"}, base, None)
    assert "exported by AutoVCoder" in text
    assert "AutoVCoder asks it with this system text" in text
    assert "verilog" not in text.partition("---\n\n")[0]
    assert "trained with" not in text


def test_a_card_of_ones_own_goes_along_and_a_strangers_does_not(base: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(base, own)
    with Stage(own, "finetune.merge", config={}) as stage:
        stage.start()
        (own / "README.md").write_text("---\nlibrary_name: transformers\nlicense: mit\n---\n\n# own\n\nIts story.\n")
        stage.finish()
    card = ModelCard(model_card("x", {"format": "gguf", "outtype": "q8_0"}, own, None))
    assert (card.data.library_name, card.data.license) == ("gguf", "mit")
    assert "Its story." in card.text
    assert "with the weights stored as q8_0" in card.text
    (own / "README.md").write_bytes(b"---\nbase_model: /home/somebody\n---\n\xff changed since")
    assert "somebody" not in model_card("x", {"format": "safetensors"}, own, None)
    assert "# base" not in model_card("x", {"format": "safetensors"}, base, None)
    nano = resolve("nano")
    text = model_card("x", {"format": "gguf", "outtype": "bf16"}, nano, None)
    assert "# nano" in text
    assert "library_name: gguf" in text


def test_a_merged_model_tells_of_its_adapters_training(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    with Stage(out, "finetune.merge", config={}, inputs={"adapter": trained}) as stage:
        stage.start()
        write_card(stage, {"parameters": 1234567}, trained)
    card = ModelCard.load(out / "README.md")
    assert card.data.library_name == "transformers"
    assert "finetune.round2: examples 12" in card.text
    assert "finetune.merge: parameters 1,234,567" in card.text
    assert "| 20 (kept) | 3 of 10 |" in card.text


def evaluated(folder: Path, *, waiting: int | None = None, rule: Rule = "ours", **source: Any) -> Path:
    bench = Bench(kind="verilog", sources={}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
    problems = [Problem(id=str(n), suite="own", category="a", spec="x", bench=bench) for n in range(4)]
    status: list[Status] = ["pass", "mismatch", "mismatch", "mismatch"]
    verdicts = {(str(n), 0): Verdict(status=one, stage="simulate") for n, one in enumerate(status)}
    source = {"model": "/home/somebody/model", "n": 1, "temperature": 0.0} | source
    report = make_report(
        problems, verdicts, simulator="Icarus Verilog 12", source=source, cannot_pass={}, waiting=waiting, rule=rule
    )
    with Stage(folder, "eval.run", config={}) as stage:
        stage.start()
        (folder / "report.json").write_text(report.model_dump_json())
        stage.finish()
    return folder


def with_evaluation(model: Path | str, adapter: Path | None, evaluation: Path) -> str:
    return model_card("x", {"format": "safetensors"}, model, adapter, evaluation)


def test_an_evaluation_of_the_model_is_in_the_card_of_its_export(base: Path, trained: Path, tmp_path: Path) -> None:
    # By the hash that `eval run --model ROUND` records.
    text = with_evaluation(base, trained, evaluated(tmp_path / "eval", weights=weights_hash(str(trained), None)))
    assert "| all | 4 | function pass@1 | 0.250 | 0.000 to 0.750 |" in text
    assert "| all | 4 | syntax pass@1 | 1.000 | 1.000 to 1.000 |" in text
    assert "decided by simulation with Icarus Verilog 12 and each problem's own rule; n 1, temperature 0." in text
    assert "No pass rate" not in text
    assert "somebody" not in text
    official = evaluated(tmp_path / "official", rule="official", model="owner/model")
    assert "and the official rule;" in with_evaluation("owner/model", None, official)
    nano = resolve("nano")
    assert isinstance(nano, Path)
    text = with_evaluation(nano, None, evaluated(tmp_path / "nano", weights=weights_hash("nano", None)))
    assert "# nano" in text
    assert "| all | 4 | function pass@1 | 0.250 | 0.000 to 0.750 |" in text


def test_an_evaluation_of_another_model_is_refused(base: Path, trained: Path, tmp_path: Path) -> None:
    ours = weights_hash(str(trained), None)
    other = evaluated(tmp_path / "other", weights="0" * 64)
    unnamed = evaluated(tmp_path / "unnamed", model=str(trained))
    served = evaluated(tmp_path / "served", model="owner/model", endpoint="http://127.0.0.1:1")
    for model, adapter, folder in ((base, trained, other), (base, trained, unnamed), ("owner/model", None, served)):
        with pytest.raises(InputError, match="the evaluation is of another model"):
            with_evaluation(model, adapter, folder)
    with pytest.raises(InputError, match="the evaluation is not finished"):
        with_evaluation(base, trained, evaluated(tmp_path / "partial", weights=ours, waiting=3))
    with pytest.raises(StoreError, match="not a finished stage folder"):
        with_evaluation(base, trained, tmp_path / "nothing")
    changed = evaluated(tmp_path / "changed", weights=ours)
    report = json.loads((changed / "report.json").read_text())
    report["raw"]["overall"]["function"]["1"]["value"] = 1.0
    (changed / "report.json").write_text(json.dumps(report))
    for folder in (changed, trained):
        with pytest.raises(InputError, match="not the report that `autovcoder eval run` wrote"):
            with_evaluation(base, trained, folder)
