"""The settings of a reinforcement learning, and what they are to the libraries.

Reads settings; writes nothing. The sections ``lora`` and ``grpo`` are those of peft and trl, key by key: what these do
not know is an error, and so is what would change nothing here, or only show when the training has begun.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError

from autovcoder.config import Settings
from autovcoder.errors import ConfigError
from autovcoder.records import Sampling
from finetune.context import SampledContext
from finetune.setting_checks import ALWAYS_DECIDED, refuse_decided
from finetune.trainer import checked, common_arguments

_SEED = "set seed, beside grpo"
_ASKED = "prompts are asked as in generation and evaluation"
_ONE_REWARD = "there is one reward: the simulator's"
_NO_EVALUATION = "nothing is evaluated in this training; see autovcoder eval run"
_ONE_ROW = "a row is logged for each step"
_NOT_KEPT = "answers are not logged; prompts.jsonl and rl_log.jsonl say what came of them"
_SAMPLED_HERE = "answers are sampled by AutoVCoder's own engine, or with use_vllm"
DECIDED = {
    **ALWAYS_DECIDED,
    "shuffle_dataset": "the rows are in the order of the training already",
    "seed": _SEED,
    "data_seed": _SEED,
    "trust_remote_code": "code of a model's repository is never run",
    "model_init_kwargs": "the model is loaded in float32; bf16 says what is computed in 16 bits",
    "chat_template_kwargs": _ASKED,
    "eval_strategy": _NO_EVALUATION,
    "do_eval": _NO_EVALUATION,
    "eval_steps": _NO_EVALUATION,
    "eval_on_start": _NO_EVALUATION,
    "num_generations_eval": _NO_EVALUATION,
    "load_best_model_at_end": _NO_EVALUATION,
    "metric_for_best_model": _NO_EVALUATION,
    "reward_weights": _ONE_REWARD,
    "multi_objective_aggregation": _ONE_REWARD,
    "logging_steps": _ONE_ROW,
    "logging_strategy": _ONE_ROW,
    "log_completions": _NOT_KEPT,
    "log_completions_hub_repo": _NOT_KEPT,
    "log_unique_prompts": _NOT_KEPT,
    "num_completions_to_print": _NOT_KEPT,
    "mask_truncated_completions": "answers end where they are complete, and trl takes that for cut off",
    "use_transformers_continuous_batching": _SAMPLED_HERE,
    "transformers_continuous_batching_config": _SAMPLED_HERE,
    "use_transformers_paged": _SAMPLED_HERE,
    "cache_implementation": _SAMPLED_HERE,
}
"""Keys of ``trl.GRPOConfig`` that would change nothing here, or break what is promised."""
_FOR_VLLM = ("top_k", "min_p", "repetition_penalty", "generation_kwargs")
_CHOICES = {
    "loss_type": ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
    "importance_sampling_level": ("token", "sequence"),
    "scale_rewards": ("group", "batch", "none", True, False),
}
"""What trl knows, but looks at only when the first answers have been paid for."""
_SAVE_STEPS = 5
_NAMES = {"max_new_tokens": "max_completion_length"}  # of `Sampling`, where trl calls it otherwise


class RlSettings(Settings):
    """Reinforcement learning.

    Attributes:
        candidates: the most prompts drawn from the pairs.
        probes: answers sampled for each candidate before the training; 0 samples none and trains on all candidates.
        context: what stands before the problems, as in round 2; nothing unless set.
        keep: ``mixed`` trains on the candidates with some answer that passed and some that did not, for a group of
            equal rewards teaches nothing; ``all`` only reports.
        lora: arguments of ``peft.LoraConfig``; ``grpo`` those of ``trl.GRPOConfig``. Both win over the defaults here.
    """

    seed: int = 0
    candidates: PositiveInt = 200
    probes: int = Field(default=4, ge=0)
    context: SampledContext = SampledContext()
    keep: Literal["mixed", "all"] = "mixed"
    lora: dict[str, Any] = Field(default_factory=dict)
    grpo: dict[str, Any] = Field(default_factory=dict)


def grpo_config(settings: RlSettings, out: Path) -> Any:
    """The ``trl.GRPOConfig`` of a training whose stage folder is ``out``.

    Raises:
        ConfigError: a key is unknown or is decided here, or a value is refused.
    """
    from trl import GRPOConfig

    refuse_decided("grpo", settings.grpo, DECIDED)
    for key, value in settings.grpo.items():
        if (key in _FOR_VLLM or key.startswith("vllm_")) and not settings.grpo.get("use_vllm"):
            raise ConfigError("this has a use with use_vllm only", where=f"grpo.{key}", fix="leave it out")
        if key in _CHOICES and value not in _CHOICES[key]:
            known = ", ".join(str(choice) for choice in _CHOICES[key])
            raise ConfigError("bad setting of GRPOConfig", where=f"grpo.{key}", fix=f"one of: {known}")
    common = common_arguments(out, seed=settings.seed, epochs=1, learning_rate=3e-4, batch=16)
    defaults = {
        # Who says how often each prompt is to come says how long the training is.
        "max_steps": -1 if "num_train_epochs" in settings.grpo else 40,
        "gradient_accumulation_steps": 4,
        "num_generations": 8,
        "max_completion_length": 300,
        "temperature": 1.0,
        "beta": 0.02,
        "scale_rewards": "batch",
        "shuffle_dataset": False,  # the rows are in the order of the training already
        "logging_steps": 1,
        "save_steps": _SAVE_STEPS,
    }
    grpo = checked(GRPOConfig, "grpo", common | defaults | settings.grpo)
    _save_between_generations(grpo, given="save_steps" in settings.grpo)
    return grpo


def _save_between_generations(grpo: Any, *, given: bool) -> None:
    """Let no checkpoint fall into the use of a batch of answers: who goes on from it would sample others.

    Raises:
        ConfigError: ``save_steps`` was given, and is no multiple of the steps that answers are used for.
    """
    used = uses_of_answers(grpo)
    unit = used // math.gcd(used, grpo.gradient_accumulation_steps)
    if grpo.save_strategy != "steps" or grpo.save_steps % unit == 0:
        return
    if given:
        raise ConfigError(
            "a checkpoint would fall among the steps that use the same answers",
            where=f"grpo.save_steps ({grpo.save_steps})",
            fix=f"make it {unit} or a multiple of it",
        )
    grpo.save_steps = math.ceil(grpo.save_steps / unit) * unit


def uses_of_answers(grpo: Any) -> int:
    """How many batches are made of one generation's answers, before others are sampled."""
    return int(grpo.steps_per_generation * grpo.num_iterations)


def sampling_of(grpo: Any, seed: int) -> Sampling:
    """How answers are sampled.

    Raises:
        ConfigError: so they cannot be.
    """
    if not grpo.temperature > 0:
        fix = "answers that are all the same teach nothing: make it more than 0"
        raise ConfigError("bad setting of GRPOConfig", where="grpo.temperature", fix=fix)
    try:
        return Sampling(
            temperature=grpo.temperature, top_p=grpo.top_p, seed=seed, max_new_tokens=grpo.max_completion_length
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        where = f"grpo.{_NAMES.get(name, name)}"
        raise ConfigError("bad setting of GRPOConfig", where=where, fix=first["msg"]) from None
