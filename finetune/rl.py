"""Reinforcement learning on verdicts: GRPO (DeepSeekMath, arXiv 2402.03300) with LoRA, rewarded by the simulator.

Reads pairs.jsonl and a model; writes a PEFT adapter folder with ``prompts.jsonl`` (what the model made of each prompt
before the training) and ``rl_log.jsonl`` (a row a step).
"""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from autovcoder.config import Settings
from autovcoder.errors import ConfigError, InputError
from autovcoder.models.local import row_seed
from autovcoder.records import Sampling
from autovcoder.store import DROPPED, Manifest, Stage, read_manifest, write_jsonl
from finetune.adapters import without_tied_head
from finetune.rewards import SimulatedReward, Task
from finetune.rl_tasks import read_tasks
from finetune.rollouts import Rollouts, Sampler
from finetune.round_settings import LORA_DEFAULTS
from finetune.trainer import (
    checked,
    common_arguments,
    drop_checkpoints,
    load_model,
    model_input,
    train,
    versions,
)
from hdl_sim.simulator import Simulator

PROMPTS, LOG = "prompts.jsonl", "rl_log.jsonl"
_AT_ONCE = 8  # candidates whose answers are sampled and simulated between two writes
# Of trl's settings, those that the sampling here does not know, and one that would throw away most answers: they end
# where they are complete, and trl takes one without an end token for cut off.
_UNUSED = ("top_k", "min_p", "repetition_penalty", "generation_kwargs", "chat_template_kwargs")
_REFUSED = ("mask_truncated_completions", "use_transformers_continuous_batching", "use_transformers_paged")


class RlSettings(Settings):
    """Reinforcement learning.

    Attributes:
        candidates: the most prompts drawn from the pairs.
        probes: answers sampled for each candidate before the training; 0 samples none and trains on all candidates.
        keep: ``mixed`` trains on the candidates with some answer that passed and some that did not, for a group of
            equal rewards teaches nothing; ``all`` only reports.
        lora: arguments of ``peft.LoraConfig``; ``grpo`` those of ``trl.GRPOConfig``. Both win over the defaults here.
    """

    seed: int = 0
    candidates: PositiveInt = 200
    probes: int = Field(default=4, ge=0)
    keep: Literal["mixed", "all"] = "mixed"
    lora: dict[str, Any] = Field(default_factory=dict)
    grpo: dict[str, Any] = Field(default_factory=dict)


def rl(model: str, pairs: Path, out: Path, settings: RlSettings, simulator: Simulator) -> Manifest:
    """Train a LoRA adapter on the rewards of its own answers to the problems of ``pairs.jsonl``.

    Interrupted, it goes on from the last checkpoint. A simulator that is missing or breaks ends it: no reward is ever
    made up.

    Args:
        model: a Hugging Face id or model folder; ``pairs``: a finished stage folder; ``out``: a stage folder.

    Raises:
        StoreError: an input is not finished, or ``out`` holds another run's work.
        ConfigError: a key of ``lora`` or ``grpo`` is unknown, or a value is refused.
        InputError: no prompt is left to train on.
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    config, inputs = model_input(model)
    config |= settings.model_dump()
    read_manifest(pairs)
    inputs["data"] = pairs
    found = {**versions(), "simulator": simulator.name}
    with Stage(out, "finetune.rl", config=config, inputs=inputs, seed=settings.seed, versions=found) as stage:
        if stage.manifest:
            return stage.manifest
        from peft import LoraConfig

        lora = checked(LoraConfig, "lora", LORA_DEFAULTS | settings.lora)
        grpo = _grpo_config(out, settings)
        base, tokenizer = load_model(model)
        without_tied_head(lora, base)
        sampling = Sampling(
            temperature=grpo.temperature,
            top_p=grpo.top_p,
            seed=settings.seed,
            max_new_tokens=grpo.max_completion_length,
        )
        tasks = _tasks(pairs, settings, Sampler(base, tokenizer, sampling), simulator, stage)
        chosen, counts = _choose(tasks, settings, Sampler(base, tokenizer, sampling), simulator, stage)
        if not chosen:
            raise InputError(
                "no prompt is left to train on", where=pairs, fix=f"see {out / PROMPTS} and {out / DROPPED}"
            )
        by_prompt = {task.prompt: task for task in chosen}
        trainer = grpo_trainer(
            model=base,
            reward_funcs=SimulatedReward(by_prompt, simulator),
            args=grpo,
            train_dataset=_data_set(chosen, grpo, settings.seed),
            processing_class=tokenizer,
            peft_config=lora,
            rollout_func=Rollouts(by_prompt, tokenizer, sampling),
            callbacks=[_log(stage)],
        )
        adapted: Any = trainer.model
        stage.start()
        facts = train(trainer)
        adapted.save_pretrained(out)
        tokenizer.save_pretrained(out)
        drop_checkpoints(out)
        trainable = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
        return stage.finish(**counts, trainable_parameters=trainable, **_progress(stage), **facts)


def grpo_trainer(**arguments: Any) -> Any:
    """The trainer of trl; `rollout_func`, which it calls experimental, is there in the version that is pinned."""
    from transformers import PrinterCallback
    from trl import GRPOTrainer

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'", UserWarning)
        trainer: Any = GRPOTrainer(**arguments)
    trainer.remove_callback(PrinterCallback)  # stdout is not for progress
    return trainer


def _grpo_config(out: Path, settings: RlSettings) -> Any:
    from trl import GRPOConfig

    common = common_arguments(out, seed=settings.seed, epochs=1, learning_rate=3e-4, batch=16)
    defaults = {
        "max_steps": 40,
        "gradient_accumulation_steps": 4,
        "num_generations": 8,
        "max_completion_length": 300,
        "temperature": 1.0,
        "beta": 0.02,
        "scale_rewards": "batch",
        "shuffle_dataset": False,  # the rows are in the order of the training already
        "logging_steps": 1,
        "save_steps": 5,
    }
    for key in settings.grpo:
        if key in _REFUSED or (key in _UNUSED and not settings.grpo.get("use_vllm")):
            raise ConfigError("this setting has no use here", where=f"grpo.{key}", fix="leave it out")
    grpo = checked(GRPOConfig, "grpo", common | defaults | settings.grpo)
    cycle = grpo.steps_per_generation * grpo.num_iterations
    if grpo.save_steps * grpo.gradient_accumulation_steps % cycle:
        fix = f"a checkpoint must fall between two generations: every {cycle} / gradient_accumulation_steps steps"
        raise ConfigError("a checkpoint would fall into the use of one generation", where="grpo.save_steps", fix=fix)
    return grpo


def _tasks(pairs: Path, settings: RlSettings, sampler: Sampler, simulator: Simulator, stage: Stage) -> list[Task]:
    """The candidates: those whose prompt and longest answer the context has room for."""
    already = {row["id"] for row in stage.rows(DROPPED)}

    def drop(id: str, reason: str) -> None:
        if id not in already:
            stage.drop(id, reason)

    tasks = []
    for task in read_tasks(pairs / "pairs.jsonl", settings.seed, settings.candidates, simulator, drop):
        if sampler.fits(task):
            tasks.append(task)
        else:
            drop(task.id, "the context has no room for the prompt and the longest answer")
    return tasks


def _choose(
    tasks: Sequence[Task], settings: RlSettings, sampler: Sampler, simulator: Simulator, stage: Stage
) -> tuple[list[Task], dict[str, int]]:
    """The tasks to train on, by what the untrained model makes of them, and the counts."""
    if not settings.probes:
        return list(tasks), {"prompts": len(tasks)}
    known = {row["id"]: row for row in stage.rows(PROMPTS)}
    todo = [task for task in tasks if task.id not in known]
    judge = SimulatedReward({}, simulator)
    for at in range(0, len(todo), _AT_ONCE):
        asked = [task for task in todo[at : at + _AT_ONCE] for _ in range(settings.probes)]
        answers = sampler.sample(asked, row_seed(settings.seed, "probes", 0))
        rewards = judge.judge(asked, [answer.text for answer in answers])
        for task in todo[at : at + _AT_ONCE]:
            mine = [reward for one, reward in zip(asked, rewards, strict=True) if one is task]
            row = {
                "id": task.id,
                "answers": len(mine),
                "passed": sum(reward.rung == "pass" for reward in mine),
                "reward": round(sum(reward.value for reward in mine) / len(mine), 4),
                "baseline": task.baseline,
            }
            stage.append(PROMPTS, row)
            known[task.id] = row
    mixed = [task for task in tasks if 0 < known[task.id]["passed"] < known[task.id]["answers"]]
    counts = {
        "candidates": len(tasks),
        "always_passed": sum(known[task.id]["passed"] == known[task.id]["answers"] for task in tasks),
        "never_passed": sum(known[task.id]["passed"] == 0 for task in tasks),
        "mixed": len(mixed),
    }
    chosen = mixed if settings.keep == "mixed" else list(tasks)
    return chosen, counts | {"prompts": len(chosen)}


def _data_set(tasks: Sequence[Task], grpo: Any, seed: int) -> Any:
    """The prompts in the order of the whole training, so that a resumed one goes on with the very next.

    trl shuffles anew for each pass over its rows, and begins with the first order again where it resumes.
    """
    from datasets import Dataset

    together = grpo.generation_batch_size // grpo.num_generations
    rows = max(len(tasks), together)
    if grpo.max_steps > 0:
        cycle = grpo.steps_per_generation * grpo.num_iterations
        rows = math.ceil(grpo.max_steps * grpo.gradient_accumulation_steps / cycle) * together
    rng = random.Random(seed)
    prompts: list[str] = []
    while len(prompts) < rows:
        prompts += rng.sample([task.prompt for task in tasks], len(tasks))
    return Dataset.from_dict({"prompt": prompts[:rows]})


def _log(stage: Stage) -> Any:
    """A callback that writes a row of the log for each step."""
    from transformers import TrainerCallback

    class Log(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            # Steps behind the checkpoint that it goes on from are taken once more.
            rows = [row for row in stage.rows(LOG) if row["step"] <= state.global_step]
            if (stage.folder / LOG).exists():
                write_jsonl(stage.folder / LOG, rows)

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            logs: Mapping[str, Any] = kwargs["logs"]
            if "reward" not in logs:
                return
            row = log_row(state.global_step, logs)
            stage.append(LOG, row)
            said = f"reward {row['reward']:.3f}, passed {row['pass_share']:.0%}, {row['seconds']:.1f} s"
            sys.stderr.write(f"step {row['step']} of {state.max_steps}: {said}\n")

    return Log()


def log_row(step: int, logs: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the log: shares and means of the step's answers; ``kl`` is None where ``beta`` is 0."""
    rungs = {key.removeprefix("rung_"): value for key, value in logs.items() if key.startswith("rung_")}
    return {
        "step": step,
        "reward": logs["reward"],
        "pass_share": rungs["pass"],
        "kl": logs.get("kl"),
        "seconds": logs["step_time"],
        "reward_std": logs.get("reward_std"),
        "equal_groups": logs.get("equal_groups"),
        "entropy": logs.get("entropy"),
        "tokens": logs.get("completions/mean_length"),
        "learning_rate": logs.get("learning_rate"),
        "grad_norm": logs.get("grad_norm"),
        "rungs": rungs,
    }


def _progress(stage: Stage) -> dict[str, Any]:
    """Reward and pass share at both ends of the training: means over a fifth of its steps."""
    rows = list(stage.rows(LOG))
    some = max(1, len(rows) // 5)
    ends = {"first": rows[:some], "last": rows[-some:]}
    return {
        f"{name}_{key}": round(sum(row[key] for row in part) / len(part), 4)
        for key in ("reward", "pass_share")
        for name, part in ends.items()
        if part
    }
