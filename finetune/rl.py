"""Reinforcement learning on verdicts: GRPO (DeepSeekMath, arXiv 2402.03300) with LoRA, rewarded by the simulator.

Reads pairs.jsonl and a model; writes a PEFT adapter folder with ``prompts.jsonl`` (what the model made of each prompt
before the training) and ``rl_log.jsonl``.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.models.local import row_seed
from autovcoder.models.transformers_engine import quiet
from autovcoder.store import DROPPED, Manifest, Stage, read_manifest
from finetune import adapters
from finetune.checkpoints import finish, take_back_checkpoints
from finetune.model_card import describe_data, describe_recipe, write_card
from finetune.rewards import SimulatedReward, Task
from finetune.rl_log import log_callback, progress
from finetune.rl_settings import RlSettings, grpo_config, sampling_of, uses_of_answers
from finetune.rl_tasks import read_tasks
from finetune.rollouts import AnswerSampler, Rollouts
from finetune.round_settings import LORA_DEFAULTS
from finetune.saving import saving
from finetune.trainer import checked, load_model, make_trainer, model_input, train, versions
from hdl_sim.simulator import Simulator

__all__ = ["RlSettings", "rl"]

PROMPTS = "prompts.jsonl"
_AT_ONCE = 8  # candidates whose answers are sampled and simulated between two writes


def rl(model: str, pairs: Path, out: Path, settings: RlSettings, simulator: Simulator) -> Manifest:
    """Train a LoRA adapter on the rewards of its own answers to the problems of ``pairs.jsonl``.

    Interrupted, it goes on from the last checkpoint. A simulator that is missing or breaks ends it: no reward is ever
    made up.

    Args:
        model: a Hugging Face id or model folder; ``pairs``: a finished stage folder; ``out``: a stage folder.

    Raises:
        StoreError: an input is not finished, or ``out`` holds another run's work.
        ConfigError: a key of ``lora`` or ``grpo`` is unknown, or a value is refused.
        ModelError: the model cannot be loaded.
        InputError: no prompt is left to train on, or the model's tokenizer has no end token.
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """
    config, inputs = model_input(model)
    config |= settings.model_dump()
    read_manifest(pairs)
    inputs["data"] = pairs
    found = {**versions(), "simulator": simulator.name}
    with Stage(out, "finetune.rl", config=config, inputs=inputs, seed=settings.seed, versions=found) as stage:
        take_back_checkpoints(stage)
        if stage.manifest:
            return stage.manifest
        chosen: dict[str, Task] = {}
        # Before any answer is paid for: whatever the settings ask for that cannot be ends here.
        trainer, sampler = _make_trainer(model, settings, chosen, simulator, stage)
        tasks = _tasks(pairs, settings, sampler, simulator, stage)
        kept, counts = _choose(tasks, settings, sampler, simulator, stage)
        if not kept:
            raise _nothing_left(pairs, stage, counts)
        chosen.update({task.prompt: task for task in kept})
        trainer.train_dataset = data_set(kept, trainer.args, settings.seed)
        stage.start()
        with warnings.catch_warnings():
            # trl and peft use what transformers calls by a new name, at every step.
            warnings.filterwarnings("ignore", ".*gradient_checkpointing.* is deprecated", FutureWarning)
            facts = counts | train(trainer)
        with saving(out):
            trainer.model.save_pretrained(out)
            trainer.processing_class.save_pretrained(out)
        facts |= {
            "trainable_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
            **progress(stage),
            "data": describe_data(pairs),
            "recipe": describe_recipe(trainer.args),
        }
        write_card(stage, facts)
        return finish(stage, **facts)


def _make_trainer(
    model: str, settings: RlSettings, tasks: dict[str, Task], simulator: Simulator, stage: Stage
) -> tuple[Any, AnswerSampler]:
    """The trainer with its model, where it will be trained, and who asks that model; nothing is written on the way.

    Args:
        tasks: those to train on, by their prompts; they may be put there later, as may the trainer's data.
    """
    from datasets import Dataset
    from peft import LoraConfig

    with quiet():
        grpo = grpo_config(settings, stage.folder)
        sampling = sampling_of(grpo, settings.seed)
        lora = checked(LoraConfig, "lora", LORA_DEFAULTS | settings.lora)
        base, tokenizer = load_model(model)
        if tokenizer.eos_token_id is None:
            raise InputError("the tokenizer has no end token, so no answer would end", where=model)
        adapters.without_tied_head(lora, base)
        adapted = adapters.adapt(base, lora, settings.seed)
        trainer = _trainer(
            model=adapted,
            reward_funcs=SimulatedReward(tasks, simulator),
            args=grpo,
            train_dataset=Dataset.from_dict({"prompt": [""]}),
            processing_class=tokenizer,
            rollout_func=Rollouts(tasks, tokenizer, sampling),
            callbacks=[log_callback(stage)],
        )
    return trainer, AnswerSampler(adapted, tokenizer, sampling)


def _trainer(**arguments: Any) -> Any:
    """The trainer of trl; `rollout_func`, which it calls experimental, is there in the version that is pinned.

    Raises:
        ConfigError: it refuses its arguments.
    """
    from transformers import PrinterCallback
    from trl import GRPOTrainer

    trainer: Any = make_trainer(GRPOTrainer, "grpo, lora", **arguments)
    # trl copies the adapter to measure the KL divergence from it; the model without any is the same, and is there.
    if "ref" in trainer.model.peft_config:
        trainer.model.delete_adapter("ref")
    trainer.remove_callback(PrinterCallback)  # stdout is not for progress
    return trainer


def _tasks(pairs: Path, settings: RlSettings, sampler: AnswerSampler, simulator: Simulator, stage: Stage) -> list[Task]:
    """The candidates: those whose prompt and longest answer the context has room for."""
    already = {row["id"] for row in stage.rows(DROPPED)}

    def drop(id: str, reason: str) -> None:
        if id not in already:
            stage.drop(id, reason)

    tasks = []
    path, count = pairs / "pairs.jsonl", settings.candidates
    for task in read_tasks(path, settings.seed, count, simulator, drop, settings.context):
        if sampler.fits(task):
            tasks.append(task)
        else:
            drop(task.id, "the context has no room for the prompt and the longest answer")
    return tasks


def _choose(
    tasks: Sequence[Task], settings: RlSettings, sampler: AnswerSampler, simulator: Simulator, stage: Stage
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


def _nothing_left(pairs: Path, stage: Stage, counts: dict[str, int]) -> InputError:
    if counts.get("candidates"):
        always, never = counts["always_passed"], counts["never_passed"]
        what = f"of {counts['candidates']} problems {always} always passed and {never} never: none is left to train on"
        fix = "in another folder, set keep: all with probes: 0, or ask for more probes or candidates"
        return InputError(what, where=stage.folder / PROMPTS, fix=fix)
    dropped = stage.folder / DROPPED
    fix = f"see {dropped}" if dropped.exists() else "it has no rows"
    return InputError("no prompt is left to train on", where=pairs, fix=fix)


def data_set(tasks: Sequence[Task], grpo: Any, seed: int) -> Any:
    """The prompts in the order of the whole training, so that a resumed one goes on with the very next.

    trl shuffles anew for each pass over its rows, and begins with the first order again where it resumes; of a pass, it
    leaves out what fills no batch. So all passes are one here, and ``grpo.max_steps`` is set to its length.
    """
    from datasets import Dataset

    together = grpo.generation_batch_size // grpo.num_generations
    uses, gathered = uses_of_answers(grpo), grpo.gradient_accumulation_steps
    if grpo.max_steps <= 0:
        generations = max(1, math.ceil(grpo.num_train_epochs * len(tasks) / together))
        grpo.max_steps = math.ceil(generations * uses / gathered)
    rows = math.ceil(grpo.max_steps * gathered / uses) * together
    rng = random.Random(seed)
    prompts: list[str] = []
    while len(prompts) < rows:
        prompts += rng.sample([task.prompt for task in tasks], len(tasks))
    return Dataset.from_dict({"prompt": prompts[:rows]})
