"""Reinforcement learning of a tiny model that guesses: its reward rises, and a kill costs nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from autovcoder.errors import ConfigError, InputError, ModelError, StoreError
from autovcoder.files import read_jsonl, read_records
from autovcoder.models.local import LocalModel
from autovcoder.models.transformers_engine import quiet
from autovcoder.prompt import ANSWERS_WITH_CODE
from autovcoder.records import Sampling, Verdict, VerifiedPair
from autovcoder.store import Stage, read_manifest
from data_pipeline.pairs import PairSettings, make_pairs
from finetune.context import SampledContext
from finetune.merge import merge
from finetune.rewards import SimulatedReward, Task
from finetune.rl import RlSettings, data_set, rl
from finetune.rl_settings import grpo_config
from finetune.rl_tasks import read_tasks
from finetune.rollouts import AnswerSampler
from finetune.rounds import encode_pair
from finetune.tokenizer import END, train_tokenizer
from hdl_sim.cache import CachedSimulator
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.mutants import mutants

STEPS = 12
GRPO: dict[str, Any] = {
    "max_steps": STEPS,
    "per_device_train_batch_size": 32,
    "gradient_accumulation_steps": 1,
    "max_completion_length": 60,
    "learning_rate": 1e-2,
    "beta": 0.01,
    "bf16": False,
    "gradient_checkpointing": False,
    "save_steps": 1,
}
SETTINGS = RlSettings(probes=8, keep="all", lora={"r": 8, "lora_alpha": 16}, grpo=GRPO)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs, and a model that answers each of their problems rightly in one of three cases, or so."""
    root = tmp_path_factory.mktemp("rl")
    make_pairs(root / "pairs", PairSettings(pairs=4, problems=0, families=("gate",), mutants=0), IcarusPool())
    drafts = [pair.draft for pair in read_records(root / "pairs" / "pairs.jsonl", VerifiedPair)]
    answers = [(d.problem, [d.code, *(m.code for m in mutants(d.code, count=2, seed="0"))]) for d in drafts]
    tokenizer = train_tokenizer([text for problem, codes in answers for text in (problem, *codes)], 512, 512)
    tokenizer.init_kwargs[ANSWERS_WITH_CODE] = True
    model = guessing_model(tokenizer, answers)
    model.save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    rl(str(root / "model"), root / "pairs", root / "out", SETTINGS, simulator(root))
    return root


def guessing_model(tokenizer: Any, answers: list[tuple[str, list[str]]]) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    rows = [encode_pair(tokenizer, problem, code) for problem, codes in answers for code in codes]
    width = max(len(ids) for _, ids in rows)
    ids = torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for _, ids in rows])
    labels = torch.tensor([[-100] * len(head) + ids[len(head) :] + [-100] * (width - len(ids)) for head, ids in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3, weight_decay=0.0)
    for _ in range(220):
        model(input_ids=ids, attention_mask=ids != tokenizer.pad_token_id, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def simulator(root: Path) -> CachedSimulator:
    return CachedSimulator(IcarusPool(), root / "verdicts.sqlite")


def tasks_of(root: Path) -> list[Task]:
    return read_tasks(root / "pairs" / "pairs.jsonl", 0, 99, simulator(root), pytest.fail)


def pass_share(model: Path, root: Path) -> float:
    """Of answers at temperature 1, asked as evaluation asks."""
    tasks = tasks_of(root)
    answers = LocalModel(str(model)).complete(
        [task.prompt for task in tasks],
        Sampling(n=16, temperature=1.0, max_new_tokens=60, seed=7),
        starts=[task.stated.start for task in tasks],
        stop=lambda number, text: tasks[number].is_complete(text),
    )
    judge = SimulatedReward({}, simulator(root))
    rewards = judge.judge([task for task in tasks for _ in range(16)], [a for some in answers for a in some])
    return sum(reward.value == 1 for reward in rewards) / len(rewards)


def test_the_reward_rises_and_so_does_the_pass_share_as_evaluation_measures_it(root: Path) -> None:
    rows = list(read_jsonl(root / "out" / "rl_log.jsonl"))
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert sum(row["reward"] for row in rows[-3:]) > sum(row["reward"] for row in rows[:3]) + 3 * 0.15
    assert all(row["kl"] >= 0 and row["seconds"] > 0 and abs(sum(row["rungs"].values()) - 1) < 1e-6 for row in rows)
    assert rows[-1]["kl"] > rows[0]["kl"]
    before, after = pass_share(root / "model", root), pass_share(root / "out", root)
    assert 0.1 < before < 0.8
    assert after > before + 0.15


def test_the_manifest_says_what_the_model_made_of_each_prompt(root: Path) -> None:
    facts = read_manifest(root / "out").facts
    rows = list(read_jsonl(root / "out" / "prompts.jsonl"))
    assert len(rows) == facts["candidates"] == facts["prompts"] == 4
    assert facts["mixed"] + facts["always_passed"] + facts["never_passed"] == 4
    assert facts["mixed"] == sum(0 < row["passed"] < row["answers"] == 8 for row in rows)
    assert (facts["steps"], facts["resumed"]) == (STEPS, False)
    assert facts["last_pass_share"] > facts["first_pass_share"]
    assert not (root / "out" / "checkpoints").exists()


def test_problems_may_stand_behind_others_as_in_round_2(root: Path) -> None:
    plain = tasks_of(root)
    path, more = root / "pairs" / "pairs.jsonl", SampledContext(share=1)
    behind = read_tasks(path, 0, 99, simulator(root), pytest.fail, more)
    assert [task.id for task in behind] == [task.id for task in plain]
    assert sum(task.prompt.startswith("Reference:\n") for task in behind) >= len(behind) / 2
    for task, alone in zip(behind, plain, strict=True):
        assert task.prompt.endswith(alone.prompt)
        assert replace(task, prompt=alone.prompt) == alone


def test_only_mixed_prompts_are_trained_on_where_that_is_asked(root: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(
        update={"keep": "mixed", "grpo": GRPO | {"max_steps": 1, "gradient_checkpointing": True}}
    )
    facts = rl(str(root / "model"), root / "pairs", tmp_path / "out", settings, simulator(root)).facts
    assert facts["prompts"] == facts["mixed"]
    # The same model, seed and prompts: the first pass draws the same answers.
    assert (tmp_path / "out" / "prompts.jsonl").read_text() == (root / "out" / "prompts.jsonl").read_text()


# peft uses what transformers calls by a new name.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")
def test_the_adapter_merges_as_those_of_the_rounds_do(root: Path, tmp_path: Path) -> None:
    merge(str(root / "model"), root / "out", tmp_path / "merged")
    assert abs(pass_share(tmp_path / "merged", root) - pass_share(root / "out", root)) < 0.2
    with pytest.raises(InputError, match="not trained on this model"):
        merge("somebody/else", root / "out", tmp_path / "other")


def test_what_the_model_did_not_choose_is_prompt_and_what_follows_the_answer_is_cut(root: Path) -> None:
    from finetune.trainer import load_model

    model, tokenizer = load_model(str(root / "model"))
    model.train()
    tasks = tasks_of(root)
    sampler = AnswerSampler(model, tokenizer, Sampling(temperature=1.0, max_new_tokens=60))
    answers = sampler.sample([task for task in tasks for _ in range(4)], 1)
    assert model.training
    assert len({answer.text for answer in answers}) > len(tasks)
    for number, answer in enumerate(answers):
        task = tasks[number // 4]
        prompt, _ = encode_pair(tokenizer, task.prompt, "")
        start = tokenizer(task.stated.start, add_special_tokens=False)["input_ids"]
        assert list(answer.prompt) == prompt + start
        assert answer.text.startswith(task.stated.start)
        assert answer.tokens
        chosen = tokenizer.decode(answer.tokens, skip_special_tokens=False)
        assert answer.text == task.stated.start + chosen.removesuffix(END)
        if task.is_complete(answer.text):
            assert not task.is_complete(task.stated.start + tokenizer.decode(answer.tokens[:-1]))
        else:
            assert chosen.endswith(END) or len(answer.tokens) == 60
    assert sampler.sample(tasks[:2], 1) == [answers[0], answers[4]], "an answer depends on nothing beside it"


def start_training(root: Path, out: Path) -> subprocess.Popen[bytes]:
    config = out.with_suffix(".yaml")
    config.write_text(SETTINGS.model_dump_json())  # JSON is YAML
    command = [sys.executable, "-m", "autovcoder", "finetune", "rl", "--model", str(root / "model")]
    command += ["--data", str(root / "pairs"), "--out", str(out), "--config", str(config)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_training_goes_on_after_a_kill_as_if_nothing_had_been(root: Path, tmp_path: Path) -> None:
    process = start_training(root, tmp_path / "out")
    deadline = time.monotonic() + 240
    while not list((tmp_path / "out" / "checkpoints").glob("checkpoint-*/trainer_state.json")):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    said, told = process.communicate()
    assert said == b"", "stdout is not for progress"
    assert all(line.startswith("step ") for line in told.decode().splitlines()), told.decode()
    killed_at = len(list(read_jsonl(tmp_path / "out" / "rl_log.jsonl")))
    assert killed_at < STEPS
    facts = rl(str(root / "model"), root / "pairs", tmp_path / "out", SETTINGS, simulator(root)).facts
    assert (facts["resumed"], facts["steps"]) == (True, STEPS)
    logs = [list(read_jsonl(folder / "rl_log.jsonl")) for folder in (root / "out", tmp_path / "out")]
    assert [row["step"] for row in logs[1]] == list(range(1, STEPS + 1))
    assert [row["reward"] for row in logs[0]] == pytest.approx([row["reward"] for row in logs[1]], abs=1e-4)


class Silent:
    """A simulator that must not be asked."""

    name = "silent"

    def run(self, *_: Any) -> Verdict:
        raise AssertionError("something was simulated, and so was paid for")

    compile_only = run


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("lora", {"lora_alpa": 1}, r"lora\.lora_alpa; did you mean 'lora_alpha'"),
        ("grpo", {"max_step": 1}, r"grpo\.max_step; did you mean 'max_steps'"),
        ("grpo", {"num_generations": 5}, "refuses the settings: grpo"),
        ("grpo", {"top_k": 5}, r"with use_vllm only: grpo\.top_k"),
        ("grpo", {"mask_truncated_completions": True}, r"not for you to set: grpo\.mask_truncated"),
        ("grpo", {"output_dir": "elsewhere"}, r"not for you to set: grpo\.output_dir"),
        ("grpo", {"ignore_data_skip": True}, r"not for you to set: grpo\.ignore_data_skip"),
        ("grpo", {"save_strategy": "no"}, r"no checkpoint would ever be saved: grpo\.save_strategy"),
        ("grpo", {"eval_strategy": "steps"}, r"not for you to set: grpo\.eval_strategy"),
        ("grpo", {"num_iterations": 2, "save_steps": 3}, r"grpo\.save_steps \(3\); make it 2 or a multiple"),
        ("grpo", {"loss_type": "nope"}, r"grpo\.loss_type; one of: grpo"),
        ("grpo", {"temperature": 0}, r"grpo\.temperature; .* more than 0"),
        ("grpo", {"top_p": 0}, r"grpo\.top_p; .* greater than 0"),
        ("grpo", {"max_completion_length": None}, r"grpo\.max_completion_length"),
        pytest.param(
            "grpo",
            {"use_vllm": True},
            "the trainer refuses the settings: .*vLLM",
            marks=pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is here"),
        ),
        ("grpo", {"report_to": "nobody"}, "the trainer refuses the settings: .*nobody"),
        ("lora", {"target_modules": ["foo"]}, "cannot be adapted so: lora; .*foo"),
        ("lora", {"target_modules": ["q_proj", "embed_tokens"]}, "tied to the embedding"),
    ],
)
def test_mistyped_or_useless_settings_are_one_line_and_lock_no_folder(
    root: Path, tmp_path: Path, section: str, values: dict[str, Any], message: str
) -> None:
    bad = SETTINGS.model_copy(update={section: getattr(SETTINGS, section) | values})
    with pytest.raises(ConfigError, match=message):
        rl(str(root / "model"), root / "pairs", tmp_path / "out", bad, Silent())
    assert not (tmp_path / "out").exists()


def test_inputs_that_cannot_be_used_are_refused(root: Path, tmp_path: Path) -> None:
    with Stage(tmp_path / "begun", "test", config={}) as stage:
        stage.start()
    with pytest.raises(StoreError, match="not a finished stage folder"):
        rl(str(root / "model"), tmp_path / "begun", tmp_path / "out", SETTINGS, simulator(root))
    with pytest.raises(ModelError, match="merge it"):
        rl(str(root / "out"), root / "pairs", tmp_path / "out", SETTINGS, simulator(root))
    long = SETTINGS.model_copy(update={"grpo": GRPO | {"max_completion_length": 512}})
    with pytest.raises(InputError, match="no prompt is left"):
        rl(str(root / "model"), root / "pairs", tmp_path / "out", long, simulator(root))
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert reasons == ["the context has no room for the prompt and the longest answer"] * 4


@pytest.mark.parametrize("own_loop", [True, False])
def test_the_end_token_that_the_model_chose_is_learned_and_is_no_text(
    root: Path, monkeypatch: pytest.MonkeyPatch, own_loop: bool
) -> None:
    from finetune.trainer import load_model

    monkeypatch.setattr("autovcoder.models.decoding.can_decode", lambda _: own_loop)
    model, tokenizer = load_model(str(root / "model"))
    other = next(one for one in range(300, 400) if tokenizer.decode([one]).strip())
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, other]
    with torch.no_grad():  # it says nothing but the other one
        model.get_output_embeddings().weight.zero_()
        model.get_input_embeddings().weight.zero_()
        model.model.embed_tokens.weight[other] = 50
        model.model.norm.register_forward_hook(lambda _, __, output: torch.ones_like(output))
    task = tasks_of(root)[0]
    [answer] = AnswerSampler(model, tokenizer, Sampling(temperature=1.0, max_new_tokens=8)).sample([task], 0)
    assert answer.tokens == (other,)
    assert answer.text == task.stated.start


class Talkative:
    """What trl has of vLLM, which goes on behind a complete answer."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens

    def generate(self, prompts: list[list[int]], **_: Any) -> Any:
        return None, [self.tokens] * len(prompts), [[[-float(i)] for i in range(len(self.tokens))]] * len(prompts), None


def test_what_vllm_writes_behind_the_answer_is_cut(root: Path) -> None:
    from finetune.trainer import load_model

    model, tokenizer = load_model(str(root / "model"))
    sampler = AnswerSampler(model, tokenizer, Sampling(temperature=1.0, max_new_tokens=200))
    pair = next(read_records(root / "pairs" / "pairs.jsonl", VerifiedPair))
    [task] = [task for task in tasks_of(root) if task.id == pair.draft.id]
    answer = pair.draft.code[pair.draft.code.index(task.stated.start) + len(task.stated.start) :].rstrip()
    tokens = tokenizer(answer, add_special_tokens=False)["input_ids"]
    behind = tokenizer("\n\nmodule tb; initial begin", add_special_tokens=False)["input_ids"]
    [got] = sampler.sample_by_vllm([task], 0, Talkative([*tokens, *behind]), 1)
    assert task.is_complete(got.text)
    assert not task.is_complete(task.stated.start + tokenizer.decode([*tokens, *behind]))
    assert len(got.tokens) <= len(tokens)
    assert got.logprobs == tuple(-float(i) for i in range(len(got.tokens)))


@pytest.mark.parametrize(
    ("values", "steps", "rows"),
    [
        ({"max_steps": 3}, 3, 12),
        ({"num_train_epochs": 2}, 7, 28),  # 26 prompts, 4 at once
        ({"num_train_epochs": 0.1}, 1, 4),
        ({"num_train_epochs": 1, "num_iterations": 2}, 8, 16),
        ({"max_steps": -1, "gradient_accumulation_steps": 2, "steps_per_generation": 1}, 4, 16),
    ],
)
def test_every_prompt_comes_as_often_as_the_epochs_say(
    root: Path, tmp_path: Path, values: dict[str, Any], steps: int, rows: int
) -> None:
    given = {"per_device_train_batch_size": 8 if "steps_per_generation" in values else 16, "num_generations": 4}
    fixed = {"gradient_accumulation_steps": 1, "bf16": False} | given
    with quiet():
        grpo = grpo_config(RlSettings(grpo=fixed | values), tmp_path)
    tasks = [replace(tasks_of(root)[0], prompt=str(number)) for number in range(13)]
    data = data_set(tasks, grpo, 0)["prompt"]
    assert (grpo.max_steps, len(data)) == (steps, rows)
    whole = len(data) // 13
    assert Counter(data[: whole * 13]) == {str(number): whole for number in range(13)} or not whole


def test_epochs_say_how_long_the_training_is_and_the_card_says_so_too(root: Path, tmp_path: Path) -> None:
    grpo = {key: value for key, value in GRPO.items() if key != "max_steps"} | {"num_train_epochs": 2}
    settings = SETTINGS.model_copy(update={"probes": 0, "grpo": grpo})
    facts = rl(str(root / "model"), root / "pairs", tmp_path / "out", settings, simulator(root)).facts
    assert facts["steps"] == facts["recipe"]["max_steps"] == 2
    assert "by reinforcement learning, rewarded by simulation" in (tmp_path / "out" / "README.md").read_text()
