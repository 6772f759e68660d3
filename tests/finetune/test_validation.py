"""Real, tiny trainings validated by a real simulator: the best checkpoint is the one that solves most."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.errors import ConfigError, InputError
from autovcoder.prompt import ANSWERS_WITH_CODE
from autovcoder.records import Bench, PassRule, Problem
from autovcoder.store import read_jsonl, write_jsonl
from finetune.pass_rate import Measured, PassRate, ValidationSettings
from finetune.rounds import encode_pair
from finetune.trainer import common_arguments, last_checkpoint, train
from finetune.validation import FILE, merit, validated, validation_arguments, validation_facts
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


def test_a_model_that_learned_nothing_solves_nothing(settings: ValidationSettings, tokenizer: Any) -> None:
    measured = PassRate(settings, tokenizer, Icarus()).measure(new_model(tokenizer))
    assert (measured.passed, measured.compiled, measured.count) == (0, 0, 1)


def test_the_best_weights_are_those_that_solve_most_whatever_the_loss_says(
    trained: Any, settings: ValidationSettings, tokenizer: Any
) -> None:
    losses = {entry["step"]: entry["eval_loss"] for entry in trained.state.log_history if "eval_loss" in entry}
    assert min(losses, key=lambda step: losses[step]) == 80, "the loss must say otherwise for this test to tell"
    facts = validation_facts(trained)["validation"]
    assert (facts["step"], facts["pass_rate"], facts["validations"], facts["stopped_early"]) == (40, 1.0, 4, False)
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


def test_a_measurement_leaves_the_model_and_the_random_streams_as_they_were(
    settings: ValidationSettings, tokenizer: Any
) -> None:
    model = new_model(tokenizer).train()
    model.model.layers[0].eval()
    model.config.use_cache = False

    def state() -> str:
        modes = [module.training for module in model.modules()]
        streams = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        return json.dumps([modes, model.config.use_cache, model.generation_config.to_dict(), streams], default=str)

    before = state()
    PassRate(settings, tokenizer, Icarus()).measure(model)
    assert state() == before


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
    assert train(again)["steps"] <= steps + 1
    torch.testing.assert_close(adapter(again.model), adapter(trainer.model), rtol=0, atol=0)


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
    assert validation_facts(trainer)["validation"]["step"] == 40
    assert without_seconds(tmp_path / "moved") == without_seconds(out_of(trained))
    torch.testing.assert_close(adapter(trainer.model), adapter(trained.model), rtol=0, atol=0)


def test_where_no_checkpoint_solves_anything_the_last_one_stays(problems: Path, tokenizer: Any, tmp_path: Path) -> None:
    settings = ValidationSettings(problems=problems, every=2, max_new_tokens=4)
    trainer = new_trainer(tmp_path, tokenizer, settings, [RIGHT] * 7)
    train(trainer)
    facts = validation_facts(trainer)["validation"]
    assert (facts["step"], facts["passed"], facts["validations"]) == (7, 0, 4)


TWO = """
import sys; from pathlib import Path
sys.path.insert(0, {tests!r})
from test_validation import *
import finetune.pass_rate, os
measure = finetune.pass_rate.PassRate.measure
def told(self, model):
    (Path({out!r}) / f"measured-{{os.environ['RANK']}}").touch()
    return measure(self, model)
finetune.pass_rate.PassRate.measure = told
settings = ValidationSettings.model_validate_json({settings!r})
answers = [RIGHT] * 80 + [WRONG] * 120
trainer = new_trainer(Path({out!r}), new_tokenizer(), settings, answers, ddp_find_unused_parameters=False)
train(trainer)
total = sum(float(weight.double().sum()) for weight in adapter(trainer.model).values())
facts = validation_facts(trainer)["validation"] | {{"steps": trainer.state.global_step, "total": total}}
(Path({out!r}) / f"facts-{{os.environ['RANK']}}").write_text(json.dumps(facts))
"""


def test_of_two_processes_one_measures_and_both_stop_and_keep_the_same(
    settings: ValidationSettings, tmp_path: Path
) -> None:
    patient = settings.model_copy(update={"patience": 2})
    script = tmp_path / "two.py"
    tests = str(Path(__file__).parent)
    script.write_text(TWO.format(tests=tests, out=str(tmp_path), settings=patient.model_dump_json()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [os.environ | address | {"RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    started = [subprocess.Popen([sys.executable, script], env=rank, stderr=subprocess.PIPE) for rank in ranks]
    said = [process.communicate()[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert [path.name for path in tmp_path.glob("measured-*")] == ["measured-0"]
    one, other = (json.loads((tmp_path / f"facts-{rank}").read_text()) for rank in (0, 1))
    assert one == other
    assert one["passed"] == 1
    assert one["stopped_early"]
    assert one["steps"] in (60, 80), "the first to pass is of step 20 or 40, and patience is 2"


def test_problems_are_drawn_once_and_keep_their_order(tmp_path: Path, tokenizer: Any) -> None:
    write_jsonl(tmp_path / "problems.jsonl", [problem(f"{number:02}") for number in range(30)])
    few = ValidationSettings(problems=tmp_path / "problems.jsonl", limit=5)

    def drawn(settings: ValidationSettings) -> list[str]:
        return [one.id for one in PassRate(settings, tokenizer, Icarus()).problems]

    assert len(drawn(few)) == 5
    assert drawn(few) == sorted(drawn(few)) == drawn(few)
    assert drawn(few) != drawn(few.model_copy(update={"seed": 1}))
    assert len(drawn(few.model_copy(update={"limit": 64}))) == 30


def test_a_problem_that_nothing_can_pass_is_left_out(tmp_path: Path, tokenizer: Any) -> None:
    path = tmp_path / "problems.jsonl"
    write_jsonl(path, [problem("good"), problem("bad", reference=WRONG), problem("unknown", reference=None)])
    assert [p.id for p in PassRate(ValidationSettings(problems=path), tokenizer, Icarus()).problems] == [
        "good",
        "unknown",
    ]
    write_jsonl(path, [problem("bad", reference=WRONG)])
    with pytest.raises(InputError, match="none of the problems to validate with can be passed"):
        PassRate(ValidationSettings(problems=path), tokenizer, Icarus())
    path.write_text("")
    with pytest.raises(InputError, match="no problems to validate with"):
        PassRate(ValidationSettings(problems=path), tokenizer, Icarus())


def test_a_problem_longer_than_the_context_is_one_that_is_not_solved(tmp_path: Path, tokenizer: Any) -> None:
    write_jsonl(tmp_path / "problems.jsonl", [problem("short"), problem("long", SPEC * 100)])
    settings = ValidationSettings(problems=tmp_path / "problems.jsonl", max_new_tokens=4)
    assert PassRate(settings, tokenizer, Icarus()).measure(new_model(tokenizer)).count == 2


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        (SPEC, True),
        (f"// {SPEC.upper()}\nmodule top;\nendmodule", True),
        (SPEC.replace(" the", "\n  the"), True),
        (SPEC.replace("inverse", "square"), False),
        ("Write the module top with input a and output y.", False),
        (RIGHT, False),
    ],
)
def test_a_problem_that_is_in_the_training_data_is_named(
    settings: ValidationSettings, tokenizer: Any, text: str, copied: bool
) -> None:
    pass_rate = PassRate(settings, tokenizer, Icarus())
    if copied:
        with pytest.warns(UserWarning, match="1 of 1 validation problems are in the training data.*: inverse"):
            assert pass_rate.copies(["something else", text]) == ("inverse",)
    else:
        assert pass_rate.copies(["something else", text]) == ()


def test_a_short_problem_is_known_by_the_whole_of_it(tmp_path: Path, tokenizer: Any) -> None:
    write_jsonl(tmp_path / "problems.jsonl", [problem("short", "An inverter named top.")])
    pass_rate = PassRate(ValidationSettings(problems=tmp_path / "problems.jsonl"), tokenizer, Icarus())
    assert pass_rate.copies(["An inverter named top, twice."]) == ()
    with pytest.warns(UserWarning, match="short"):
        assert pass_rate.copies(["an  inverter named TOP"]) == ("short",)


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
