"""Cards from real manifests, a real adapter and a real report, read back by the hub's own library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.errors import InputError, StoreError
from autovcoder.records import Bench, PassRule, Problem, Status, Verdict
from autovcoder.store import Stage, hash_input, read_manifest, write_jsonl
from eval.report import make_report
from finetune.model_card import describe_data, describe_recipe, finished_card, write_card
from finetune.reporting import plain, wilson
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


def make_round(base: Path, data: Path, out: Path, **more: Any) -> Path:
    """A finished round's folder, with all that a training leaves but the training."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig

    model = AutoModelForCausalLM.from_pretrained(base)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    arguments = SFTConfig(output_dir=str(out / "checkpoints"), learning_rate=3e-4, bf16=False, report_to="none")
    started: dict[str, Any] = {"config": {"limit": None}, "inputs": {"model": base, "data": data}, "seed": 3}
    with Stage(out, "finetune.round2", **started, versions=VERSIONS) as stage:
        stage.start()
        get_peft_model(model, lora).save_pretrained(out)
        assert "Model Card for Model ID" in (out / "README.md").read_text(), "peft writes an empty form"
        rows = [
            {"step": 20, "epoch": 0.5, "passed": 3, "compiled": 9, "count": 10, "pass_rate": 0.3, "syntax_rate": 0.9},
            {"step": 40, "epoch": 1.0, "passed": 2, "compiled": 9, "count": 10, "pass_rate": 0.2, "syntax_rate": 0.9},
        ]
        write_jsonl(out / FILE, rows)
        facts = {
            "examples": 12, "first_loss": 2.5, "last_loss": 0.123456789, "stacked_on": str(base),
            "data": describe_data(data), "recipe": describe_recipe(arguments), "validation": {"step": 20},
        } | more  # fmt: skip
        write_card(
            out, stage="finetune.round2", config=started["config"], inputs=stage.inputs, seed=3,
            versions=VERSIONS, facts=facts,
        )  # fmt: skip
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


def test_a_base_from_the_hub_is_named(base: Path, data: Path, tmp_path: Path) -> None:
    out = make_round(base, data, tmp_path / "out")
    settings = json.loads((out / "adapter_config.json").read_text())
    (out / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": "owner/model-7b"}))
    card = ModelCard(finished_card(out))
    assert card.data.base_model == "owner/model-7b"
    assert card.data.license is None
    assert "Made from owner/model-7b." in card.text


def test_a_card_written_before_the_end_is_the_card_of_the_finished_folder(trained: Path) -> None:
    written = (trained / "README.md").read_text()
    assert "README.md" in read_manifest(trained).sha256

    def body(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("  - versions:")]

    assert body(finished_card(trained)) == body(written)


def test_a_merged_model_tells_of_its_adapters_training(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    with Stage(out, "finetune.merge", config={}, inputs={"adapter": trained}) as stage:
        stage.start()
        write_card(
            out, stage="finetune.merge", config={}, inputs=stage.inputs, seed=None, versions={},
            facts={"parameters": 1234567}, adapter=trained,
        )  # fmt: skip
    card = ModelCard.load(out / "README.md")
    assert card.data.library_name == "transformers"
    assert "finetune.round2: examples 12" in card.text
    assert "finetune.merge: parameters 1,234,567" in card.text
    assert "| 20 (kept) | 3 of 10 |" in card.text


def evaluated(folder: Path, weights: str) -> Path:
    bench = Bench(kind="verilog", sources={}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
    problems = [Problem(id=str(n), suite="own", category="a", spec="x", bench=bench) for n in range(4)]
    status: list[Status] = ["pass", "mismatch", "mismatch", "mismatch"]
    verdicts = {(str(n), 0): Verdict(status=one, stage="simulate") for n, one in enumerate(status)}
    source = {"model": "/home/somebody/model", "weights": weights, "n": 1, "temperature": 0.0}
    report = make_report(problems, verdicts, simulator="Icarus Verilog 12", source=source, cannot_pass={})
    folder.mkdir()
    (folder / "report.json").write_text(report.model_dump_json())
    return folder


def test_an_evaluation_of_the_model_is_added_and_the_folder_stays_as_it_is(trained: Path, tmp_path: Path) -> None:
    before = hash_input(trained), (trained / "README.md").read_bytes()
    text = finished_card(trained, evaluated(tmp_path / "eval", hash_input(trained)))
    assert "| all | 4 | function pass@1 | 0.250 | 0.000 to 0.750 |" in text
    assert "| all | 4 | syntax pass@1 | 1.000 | 1.000 to 1.000 |" in text
    assert "decided by simulation with Icarus Verilog 12; n 1, temperature 0." in text
    assert "No pass rate" not in text
    assert "somebody" not in text
    assert (hash_input(trained), (trained / "README.md").read_bytes()) == before


def test_an_evaluation_of_another_model_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the report is of another model"):
        finished_card(trained, evaluated(tmp_path / "eval", "0" * 64))
    with pytest.raises(InputError, match="cannot read the report"):
        finished_card(trained, tmp_path / "nothing")
    for broken in ("{", "[]", '{"source": {}, "suite": 1}', '{"source": "weights"}'):
        (tmp_path / "eval" / "report.json").write_text(broken)
        with pytest.raises(InputError, match="not a report"):
            finished_card(trained, tmp_path / "eval")


def test_an_unfinished_folder_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a finished stage folder"):
        finished_card(tmp_path)


@given(text=st.text(max_size=60))
def test_no_text_breaks_out_of_its_cell(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    for place, character in enumerate(shown):
        if character in "|[]<>`*":
            backslashes = len(shown[:place]) - len(shown[:place].rstrip("\\"))
            assert backslashes % 2 == 1


@given(count=st.integers(1, 1000), share=st.floats(0, 1))
def test_wilsons_interval_holds_the_share_and_solves_its_equation(count: int, share: float) -> None:
    passed = round(share * count)
    low, high = wilson(passed, count)
    assert 0 <= low <= passed / count + 1e-9
    assert passed / count - 1e-9 <= high <= 1
    for end in (low, high):
        # The ends are the shares from which the observed one is 1.96 standard deviations away.
        assert abs(passed / count - end) == pytest.approx(1.959964 * (end * (1 - end) / count) ** 0.5, abs=1e-6)
