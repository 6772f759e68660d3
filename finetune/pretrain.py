"""A base model from nothing: tokenizer and a small Llama, trained on texts one after another.

Reads ``base.jsonl`` (a text and its kind a row); writes a Hugging Face model folder. Problems and RTL are marked by the
role tokens of the chat template, so that these tokens are trained too, but a problem never stands with its answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.store import Manifest, Stage, read_jsonl
from finetune.tokenizer import ASSISTANT, END, USER, train_tokenizer
from finetune.trainer import half, run_trainer, training_arguments, versions


class PretrainSettings(Settings):
    """The model's shape and the training.

    Attributes:
        block: tokens a training sequence; ``long_share`` of the batches hold sequences of ``context`` tokens instead.
        batch_tokens: tokens an optimizer step; a multiple of ``context``.
        trainer: further arguments of ``transformers.TrainingArguments``.
    """

    seed: int = 0
    vocabulary: int = 2048
    width: int = 256
    layers: int = 8
    heads: int = 8
    feed_forward: int = 688
    context: int = 2048
    block: int = 512
    long_share: float = 0.05
    batch_tokens: int = 4096
    epochs: float = 1.0
    learning_rate: float = 2e-3
    trainer: dict[str, Any] = Field(default_factory=dict)


def pretrain(texts: Path, out: Path, settings: PretrainSettings) -> Manifest:
    """Train tokenizer and base model from a texts folder (``base.jsonl``).

    Interrupted, it goes on from the last checkpoint; the finished folder loads with ``AutoModelForCausalLM``.

    Raises:
        StoreError: ``texts`` is not a finished stage, or ``out`` holds another run's work.
    """
    with Stage(
        out, "finetune.pretrain", config=settings.model_dump(), inputs={"texts": texts}, seed=settings.seed,
        versions=versions(),
    ) as stage:  # fmt: skip
        if stage.manifest:
            return stage.manifest
        import torch
        from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

        if not (out / "tokenizer_config.json").exists():
            trained = train_tokenizer(
                (row["text"] for row in read_jsonl(texts / "base.jsonl")), settings.vocabulary, settings.context
            )
            trained.save_pretrained(out)
        tokenizer = AutoTokenizer.from_pretrained(out)
        torch.manual_seed(settings.seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=settings.width,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                num_key_value_heads=settings.heads,
                intermediate_size=settings.feed_forward,
                max_position_embeddings=settings.context,
                tie_word_embeddings=True,
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
            )
        )
        batches = list(_batches(texts / "base.jsonl", tokenizer, settings))
        arguments = training_arguments(
            out,
            seed=settings.seed,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            batch=1,
            weight_decay=0.1,
            **settings.trainer,
        )
        facts = run_trainer(model, arguments, batches, _collate)
        half(model).save_pretrained(out)
        return stage.finish(parameters=model.num_parameters(), tokens=len(batches) * settings.batch_tokens, **facts)


def marked(row: dict[str, Any]) -> str:
    """A text of the base corpus with the role token of its kind."""
    return f"{USER if row['kind'] == 'problem' else ASSISTANT}\n{row['text']}{END}"


def _batches(path: Path, tokenizer: Any, settings: PretrainSettings) -> Iterator[dict[str, Any]]:
    """One row an optimizer step: ``batch_tokens`` token ids and the length of the sequences they are cut into."""
    rng = random.Random(settings.seed)
    texts = [marked(row) for row in read_jsonl(path)]
    rng.shuffle(texts)
    ids = [token for encoded in tokenizer(texts)["input_ids"] for token in encoded]
    for start in range(0, len(ids) - settings.batch_tokens + 1, settings.batch_tokens):
        length = settings.context if rng.random() < settings.long_share else settings.block
        yield {"ids": ids[start : start + settings.batch_tokens], "length": length}


def _collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    import torch

    ids = torch.tensor(rows[0]["ids"]).view(-1, rows[0]["length"])
    return {"input_ids": ids, "labels": ids}
