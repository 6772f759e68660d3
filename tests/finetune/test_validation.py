"""Real, tiny trainings validated by a real simulator: the best checkpoint is the one that solves most."""

from __future__ import annotations

import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.errors import ConfigError, StoreError
from autovcoder.files import read_jsonl, write_jsonl
from autovcoder.prompt import ANSWERS_WITH_CODE
from autovcoder.records import Bench, PassRule, Problem
from finetune.checkpoints import last_checkpoint
from finetune.pass_rate import Measured, PassRate, ValidationSettings
from finetune.rounds import encode_pair
from finetune.trainer import common_arguments, train
from finetune.validation import FILE, PROBLEMS, merit, validated, validation_arguments, validation_facts
from hdl_sim.icarus import Icarus

# trl and peft use what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

RULE = PassRule(kind="mismatch_count")
BENCH = """module tb;
  reg a; wire y; integer bad;
  top dut(.a(a), .y(y));
  initial begin
    bad = 0;
    a = 0; #1 if (y !== 1) bad = bad + 1;
    a = 1; #1 if (y !== 0) bad = bad + 1;
    $display("Mismatches: %0d in 2 samples", bad); $finish;
  end
endmodule
"""
SPEC = "Write the module top with input a and output y, the inverse of a."
RIGHT = "module top(input a, output y);\nassign y = ~a;\nendmodule\n"
WRONG = "module top(input a, output y);\nassign y = a;\nendmodule\n"


def problem(name: str, spec: str = SPEC, reference: str | None = RIGHT) -> Problem:
    bench = Bench(kind="verilog", sources={"tb.v": BENCH}, top="tb", pass_rule=RULE)
    return Problem(id=name, suite="test", category="all", spec=spec, bench=bench, reference=reference)


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "problems.jsonl"
    write_jsonl(path, [problem("inverse")])
    return path


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return new_tokenizer()


TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'user' %}{{ message.content }}\n{% endif %}"
    "{% if message.role == 'assistant' %}{{ message.content }}<end>{% endif %}{% endfor %}"
)


def new_tokenizer() -> Any:
    """A token a word: a few steps teach an answer."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = dict.fromkeys(["<pad>", "<end>", "<unk>", *re.findall(r"\w+|\W", SPEC + RIGHT + WRONG)])
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106 - it is none
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|\W"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    special = {"pad_token": "<pad>", "eos_token": "<end>", "unk_token": "<unk>"}
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=TEMPLATE, **special)
    made.init_kwargs[ANSWERS_WITH_CODE] = True
    return made


def new_model(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            initializer_range=0.5,  # adapters leave the head as it is, so it must be able to tell tokens apart
            max_position_embeddings=256,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def rows(tokenizer: Any, *answers: str) -> Any:
    from datasets import Dataset

    made = []
    for answer in answers:
        prompt, ids = encode_pair(tokenizer, SPEC, answer)
        made.append({"input_ids": ids, "completion_mask": [0] * len(prompt) + [1] * (len(ids) - len(prompt))})
    return Dataset.from_list(made)


def new_trainer(
    out: Path,
    tokenizer: Any,
    settings: ValidationSettings | None,
    answers: list[str],
    eval_answers: list[str] | None = None,
    **arguments: Any,
) -> Any:
    """A LoRA training over ``answers``, one a step in their order, with dropout, so that random numbers matter."""
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    common = common_arguments(out, seed=0, epochs=1, learning_rate=2e-3, batch=1)
    common |= {"lr_scheduler_type": "constant", "lr_scheduler_kwargs": {}, "warmup_steps": 0, "logging_steps": 1}
    common |= {"train_sampling_strategy": "sequential", "bf16": False, "completion_only_loss": True}
    common |= {"max_length": None, "report_to": "none"}
    trainer_class = SFTTrainer
    if settings:
        common |= validation_arguments(settings, arguments)
        trainer_class = validated(SFTTrainer, PassRate(settings, tokenizer, Icarus()), out)
    extra = {"eval_dataset": rows(tokenizer, *eval_answers)} if eval_answers else {}
    return trainer_class(
        model=new_model(tokenizer),
        args=SFTConfig(**common | arguments),
        train_dataset=rows(tokenizer, *answers),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=32, lora_alpha=64, lora_dropout=0.1, target_modules="all-linear"),
        **extra,
    )


RIGHT_THEN_WRONG = [RIGHT] * 40 + [WRONG] * 40
"""Over-trained on an answer that passes, then on one that does not; the loss is low in both halves."""


@pytest.fixture(scope="module")
def settings(problems: Path) -> ValidationSettings:
    return ValidationSettings(problems=problems, every=20, max_new_tokens=40)


@pytest.fixture(scope="module")
def trained(settings: ValidationSettings, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A whole training, validated four times; its loss on held-out rows is that of the wrong answer."""
    trainer = new_trainer(tmp_path_factory.mktemp("trained"), tokenizer, settings, RIGHT_THEN_WRONG, [WRONG])
    train(trainer)
    return trainer


def out_of(trainer: Any) -> Path:
    return Path(trainer.args.output_dir).parent


def without_seconds(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_jsonl(folder / FILE)]


def adapter(model: Any) -> dict[str, Any]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def test_the_pass_rate_is_what_the_simulator_says_of_the_models_answers(trained: Any) -> None:
    found = {row["step"]: (row["passed"], row["compiled"], row["count"]) for row in read_jsonl(out_of(trained) / FILE)}
    del found[20]  # half learned
    assert found == {40: (1, 1, 1), 60: (0, 1, 1), 80: (0, 1, 1)}
    logged = [entry["eval_pass_rate"] for entry in trained.state.log_history if "eval_pass_rate" in entry]
    assert logged[1:] == [1.0, 0.0, 0.0]


def test_the_best_weights_are_those_that_solve_most_whatever_the_loss_says(
    trained: Any, settings: ValidationSettings, tokenizer: Any
) -> None:
    losses = {entry["step"]: entry["eval_loss"] for entry in trained.state.log_history if "eval_loss" in entry}
    assert min(losses, key=lambda step: losses[step]) == 80, "the loss must say otherwise for this test to tell"
    facts = validation_facts(trained)["validation"]
    assert (facts["step"], facts["pass_rate"], facts["validations"], facts["stopped_early"]) == (40, 1.0, 4, False)
    assert facts["left_out"] == []
    assert PassRate(settings, tokenizer, Icarus()).measure(trained.model).passed == 1
    from safetensors.torch import load_file

    saved = load_file(Path(trained.args.output_dir) / "checkpoint-40" / "adapter_model.safetensors")
    for name, weight in adapter(trained.model).items():
        torch.testing.assert_close(weight, saved[name.replace(".default", "")], rtol=0, atol=0)


def test_validation_changes_nothing_in_the_training(trained: Any, tokenizer: Any, tmp_path: Path) -> None:
    """With dropout and trl's own figures, step by step."""
    plain = new_trainer(tmp_path, tokenizer, None, RIGHT_THEN_WRONG, save_strategy="no")
    train(plain)

    def curve(trainer: Any) -> list[dict[str, Any]]:
        return [entry for entry in trainer.state.log_history if "loss" in entry]

    assert curve(trained) == curve(plain)
    assert len(curve(plain)) == 80


def test_patience_ends_the_training_and_a_restart_does_not_take_it_up(
    settings: ValidationSettings, tokenizer: Any, tmp_path: Path
) -> None:
    patient = settings.model_copy(update={"patience": 2})
    trainer = new_trainer(tmp_path, tokenizer, patient, [RIGHT] * 40 + [WRONG] * 100)
    train(trainer)
    facts = validation_facts(trainer)["validation"]
    assert (facts["step"], facts["stopped_early"]) == (40, True)
    steps = trainer.state.global_step
    assert steps in (60, 80), "the first to pass is of step 20 or 40, and patience is 2"
    # As after a kill between the training's end and the saving of the model.
    again = new_trainer(tmp_path, tokenizer, patient, [RIGHT] * 40 + [WRONG] * 100)
    assert train(again)["steps"] == steps
    torch.testing.assert_close(adapter(again.model), adapter(trainer.model), rtol=0, atol=0)


@pytest.mark.parametrize("length", [{"max_steps": 3}, {"num_train_epochs": 1.5}, {"num_train_epochs": 2}])
def test_a_training_that_had_come_to_its_end_takes_no_further_step(
    tokenizer: Any, tmp_path: Path, length: dict[str, float]
) -> None:
    trainers = [new_trainer(tmp_path, tokenizer, None, [RIGHT, WRONG], **length) for _ in range(3)]
    facts = [train(trainer) for trainer in trainers]
    assert [one["resumed"] for one in facts] == [False, True, True]
    assert [one["steps"] for one in facts] == [4 if length.get("num_train_epochs") == 2 else 3] * 3
    for again in trainers[1:]:
        torch.testing.assert_close(adapter(again.model), adapter(trainers[0].model), rtol=0, atol=0)
        assert [row.get("loss") for row in again.state.log_history if "loss" in row] == [
            row["loss"] for row in trainers[0].state.log_history if "loss" in row
        ]


def test_a_full_disk_at_a_checkpoint_is_one_clear_line(tokenizer: Any, tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path, tokenizer, None, [RIGHT], max_steps=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StoreError, match=r"cannot write: .*checkpoints; .*File too large") as caught:
            train(trainer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)


def test_a_training_that_was_killed_knows_its_best_when_it_goes_on_elsewhere(
    trained: Any, settings: ValidationSettings, tokenizer: Any, tmp_path: Path
) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_validation import *\n"
        "from transformers import TrainerCallback\n"
        "class Kill(TrainerCallback):\n"
        "    def on_step_end(self, args, state, control, **_):\n"
        "        if state.global_step == 70: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"settings = ValidationSettings.model_validate_json({settings.model_dump_json()!r})\n"
        f"trainer = new_trainer(Path('killed'), new_tokenizer(), settings, RIGHT_THEN_WRONG, [WRONG])\n"
        "trainer.add_callback(Kill())\n"
        "train(trainer)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    shutil.move(tmp_path / "killed", tmp_path / "moved")
    assert str(last_checkpoint(tmp_path / "moved" / "checkpoints")).endswith("checkpoint-60")
    trainer = new_trainer(tmp_path / "moved", tokenizer, settings, RIGHT_THEN_WRONG, [WRONG])
    assert train(trainer)["resumed"] is True
    assert [row["id"] for row in read_jsonl(tmp_path / "moved" / "checkpoints" / PROBLEMS)] == ["inverse"]
    assert validation_facts(trainer)["validation"]["step"] == 40
    assert without_seconds(tmp_path / "moved") == without_seconds(out_of(trained))
    torch.testing.assert_close(adapter(trainer.model), adapter(trained.model), rtol=0, atol=0)


def test_where_no_checkpoint_solves_anything_the_last_one_stays(problems: Path, tokenizer: Any, tmp_path: Path) -> None:
    settings = ValidationSettings(problems=problems, every=2, max_new_tokens=4)
    trainer = new_trainer(tmp_path, tokenizer, settings, [RIGHT] * 7)
    train(trainer)
    facts = validation_facts(trainer)["validation"]
    assert (facts["step"], facts["passed"], facts["validations"]) == (7, 0, 4)


@pytest.mark.parametrize("given", [{"save_steps": 50}, {"load_best_model_at_end": False}, {"eval_strategy": "epoch"}])
def test_arguments_that_validation_decides_are_refused(settings: ValidationSettings, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"sft.{next(iter(given))}"):
        validation_arguments(settings, given)
    assert validation_arguments(settings, {"save_steps": 20, "learning_rate": 1})["eval_steps"] == 20


outcomes = st.integers(1, 500).flatmap(
    lambda count: st.tuples(
        *[st.tuples(st.integers(0, count), st.integers(0, count), st.integers(1, 100_000)) for _ in range(2)],
        st.just(count),
    )
)


@given(outcomes=outcomes)
def test_more_passed_is_better_then_more_compiled_then_later(outcomes: Any) -> None:
    def key(outcome: tuple[int, int, int]) -> tuple[int, int, int]:
        passed, compiled, step = outcome
        return passed, max(passed, compiled), step

    one, other = key(outcomes[0]), key(outcomes[1])
    merits = [merit(Measured(p, c, outcomes[2], 0.0), step / 100_000) for p, c, step in (one, other)]
    assert (merits[0] < merits[1], merits[0] == merits[1]) == (one < other, one == other)
