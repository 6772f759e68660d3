"""The two LoRA rounds of the paper (arXiv 2407.18333): how Verilog is written, then how a problem is solved.

Round 1 reads RTL texts and learns all of their tokens; round 2 reads verified pairs and learns the answers only. Each
writes a PEFT adapter folder with the tokenizer; ``finetune.merge`` joins it with the model that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.errors import InputError
from autovcoder.prompt import ANSWERS_WITH_CODE, chat, plain
from autovcoder.store import Manifest, Stage, read_jsonl, read_manifest
from finetune.trainer import checked, drop_checkpoints, load_model, model_input, sft_defaults, train, versions

LORA_DEFAULTS: dict[str, Any] = {
    "r": 64,
    "lora_alpha": 128,
    "lora_dropout": 0.0,
    "target_modules": "all-linear",
    "task_type": "CAUSAL_LM",
}
"""For a model of a few million parameters; the paper's r 32 and alpha 64 are for 7 billion."""


class RoundSettings(Settings):
    """One round of LoRA.

    Attributes:
        prefix: text put before every round-1 document, for models that mark RTL by a role token.
        limit: the most rows read; None reads all.
        lora: arguments of ``peft.LoraConfig``; ``sft`` those of ``trl.SFTConfig``. Both win over the defaults here.
            A row longer than ``sft.max_length`` tokens is dropped; None drops none.
    """

    seed: int = 0
    prefix: str = ""
    limit: int | None = None
    lora: dict[str, Any] = Field(default_factory=dict)
    sft: dict[str, Any] = Field(default_factory=dict)


def round1(model: str, corpus: Path, out: Path, settings: RoundSettings) -> Manifest:
    """Plain language modelling on the ``text`` of ``rtl.jsonl``.

    Args:
        model: a Hugging Face id or model folder; ``corpus``: a finished stage folder; ``out``: a stage folder.

    Raises:
        StoreError: an input is not finished, or ``out`` holds another run's work.
        ConfigError: a key of ``lora`` or ``sft`` is unknown, or a value is refused.
        InputError: no row can be used.
    """
    rows = ({"id": row["id"], "text": settings.prefix + row["text"]} for row in read_jsonl(corpus / "rtl.jsonl"))
    return _train_adapter("finetune.round1", model, corpus, out, settings, rows)


def round2(model: str, pairs: Path, out: Path, settings: RoundSettings) -> Manifest:
    """Problem to answer on ``pairs.jsonl``, with the model's chat template where it has one, loss on the answer only.

    Args and raises: as ``round1``.
    """
    rows = (
        {"id": row["draft"]["id"], "problem": row["draft"]["problem"], "code": row["draft"]["code"]}
        for row in read_jsonl(pairs / "pairs.jsonl")
    )
    return _train_adapter("finetune.round2", model, pairs, out, settings, rows)


def _train_adapter(
    name: str, model: str, data: Path, out: Path, settings: RoundSettings, rows: Iterable[dict[str, str]]
) -> Manifest:
    config, inputs = model_input(model)
    config |= settings.model_dump()
    read_manifest(data)
    inputs["data"] = data
    with Stage(out, name, config=config, inputs=inputs, seed=settings.seed, versions=versions()) as stage:
        if stage.manifest:
            return stage.manifest
        from datasets import Dataset
        from peft import LoraConfig
        from trl import SFTConfig

        answers = name == "finetune.round2"
        lora = checked(LoraConfig, "lora", LORA_DEFAULTS | settings.lora)
        defaults = sft_defaults(out, settings.seed)
        # trl guesses this from the columns of the data set, and guesses wrong for rows that are tokenized already.
        defaults["completion_only_loss"] = answers
        sft = checked(SFTConfig, "sft", defaults | settings.sft)
        base, tokenizer = load_model(model)
        examples = list(_examples(rows, tokenizer, sft.max_length, settings.limit, stage))
        if not examples:
            raise InputError("no training example is left", where=data, fix=f"see {out / 'dropped.jsonl'}")
        trainer = sft_trainer(
            model=base,
            args=sft,
            train_dataset=Dataset.from_list(examples),
            processing_class=tokenizer,
            peft_config=lora,
        )
        adapted: Any = trainer.model
        stage.start()
        facts = train(trainer)
        adapted.save_pretrained(out)
        tokenizer.init_kwargs.pop(ANSWERS_WITH_CODE, None)
        if answers:
            tokenizer.init_kwargs[ANSWERS_WITH_CODE] = True
        tokenizer.save_pretrained(out)
        drop_checkpoints(out)
        trainable = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
        return stage.finish(examples=len(examples), trainable_parameters=trainable, **facts)


def sft_trainer(**arguments: Any) -> Any:
    """The trainer of trl; on a CPU with the model's own loss.

    The loss of trl saves memory by computing every logit twice, in pieces, and scores the prompts too where it has no
    GPU kernels. For a small model on a CPU that took a sixth of each step.
    """
    import torch
    from transformers import Trainer
    from trl import SFTTrainer

    if torch.cuda.is_available():
        return SFTTrainer(**arguments)

    class PlainLossTrainer(SFTTrainer):
        compute_loss = Trainer.compute_loss

    return PlainLossTrainer(**arguments)


def _examples(
    rows: Iterable[dict[str, str]], tokenizer: Any, most: int | None, limit: int | None, stage: Stage
) -> Iterable[dict[str, Any]]:
    """Rows as token ids for the trainer; one that is too long is dropped with its length, never cut."""
    already = {row["id"] for row in stage.rows("dropped.jsonl")}
    for number, row in enumerate(rows):
        if limit is not None and number >= limit:
            return
        if "text" in row:
            ids = tokenizer(row["text"])["input_ids"] + [tokenizer.eos_token_id]
            example = {"input_ids": ids}
        else:
            prompt, ids = encode_pair(tokenizer, row["problem"], row["code"])
            example = {"input_ids": ids, "completion_mask": [0] * len(prompt) + [1] * (len(ids) - len(prompt))}
        if most is None or len(ids) <= most:
            yield example
        elif row["id"] not in already:
            stage.drop(row["id"], f"{len(ids)} tokens, the most is {most}")


def encode_pair(tokenizer: Any, problem: str, code: str) -> tuple[list[int], list[int]]:
    """(prompt ids, prompt and answer ids), in the very form in which ``autovcoder.models`` asks."""
    if tokenizer.chat_template:
        messages = chat(problem)
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        whole = tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": code}], tokenize=False)
        if not whole.startswith(prompt):
            raise InputError("the chat template puts an answer elsewhere than after the generation prompt")
        answer = whole[len(prompt) :]
    else:
        prompt, answer = plain(problem), f"{code}```{tokenizer.eos_token}"
    head = tokenizer(prompt, add_special_tokens=not tokenizer.chat_template)["input_ids"]
    return head, head + tokenizer(answer, add_special_tokens=False)["input_ids"]
