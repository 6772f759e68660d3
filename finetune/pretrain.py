"""A base model from nothing: tokenizer and a small LFM2, trained on texts one after another.

Reads ``base.jsonl`` (a text and its kind a row); writes a Hugging Face model folder. Problems and RTL are marked by the
role tokens of the chat template, so that these tokens are trained too, but the two never share a sequence: which
answer belongs to which problem is for round 2 to teach.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from autovcoder.config import Settings
from autovcoder.errors import InputError
from autovcoder.store import Manifest, Stage, read_jsonl, read_manifest, replace_folder
from finetune.tokenizer import ASSISTANT, END, USER, train_tokenizer
from finetune.trainer import CHECKPOINTS, checked, common_arguments, drop_checkpoints, in_bfloat16, train, versions

T = TypeVar("T")


class PretrainSettings(Settings):
    """The model's shape and the training.

    Attributes:
        layers: by turns a gated short convolution and attention, the first a convolution.
        width: a multiple of twice ``heads``, since rotary positions turn pairs of a head's numbers.
        block: tokens a training sequence; ``long_share`` of the text is cut into ``context`` tokens instead.
        batch_tokens: tokens an optimizer step; a multiple of ``context`` and of ``block``.
        trainer: further arguments of ``transformers.TrainingArguments``.
    """

    seed: int = 0
    vocabulary: PositiveInt = 2048
    width: PositiveInt = 256
    layers: int = Field(default=8, ge=2)
    heads: PositiveInt = 8
    feed_forward: PositiveInt = 688
    context: PositiveInt = 2048
    block: PositiveInt = 512
    long_share: float = Field(default=0.05, ge=0, le=1)
    batch_tokens: PositiveInt = 2048
    epochs: PositiveFloat = 1.0
    learning_rate: PositiveFloat = 2e-3
    trainer: dict[str, Any] = Field(default_factory=dict)

    # A field that is itself wrong is missing from info.data: its own message is the one to show.
    @field_validator("heads")
    @classmethod
    def _heads_share_the_width(cls, heads: int, info: ValidationInfo) -> int:
        width = info.data.get("width", 2 * heads)
        if width % (2 * heads):
            raise PydanticCustomError("width", f"width ({width}) must be a multiple of twice heads ({heads})")
        return heads

    @field_validator("batch_tokens")
    @classmethod
    def _batches_hold_whole_sequences(cls, tokens: int, info: ValidationInfo) -> int:
        for name in ("context", "block"):
            length = info.data.get(name, tokens)
            if tokens % length:
                raise PydanticCustomError("batch", f"batch_tokens ({tokens}) must be a multiple of {name} ({length})")
        return tokens


def pretrain(texts: Path, out: Path, settings: PretrainSettings) -> Manifest:
    """Train tokenizer and base model from a texts folder (``base.jsonl``).

    Interrupted, it goes on from the last checkpoint; the finished folder loads with ``AutoModelForCausalLM``.

    Raises:
        StoreError: ``texts`` is not a finished stage, or ``out`` holds another run's work.
        ConfigError: a key of ``trainer`` is unknown, or a value is refused.
        InputError: the texts are fewer than one batch.
    """
    read_manifest(texts)
    with Stage(
        out, "finetune.pretrain", config=settings.model_dump(), inputs={"texts": texts}, seed=settings.seed,
        versions=versions(),
    ) as stage:  # fmt: skip
        if stage.manifest:
            return stage.manifest
        from transformers import AutoTokenizer, Trainer, TrainingArguments

        common = common_arguments(
            out, seed=settings.seed, epochs=settings.epochs, learning_rate=settings.learning_rate, batch=1
        )
        arguments = checked(TrainingArguments, "trainer", common | {"weight_decay": 0.1} | settings.trainer)
        saved = out / CHECKPOINTS / "tokenizer"
        tokenizer = AutoTokenizer.from_pretrained(saved) if saved.is_dir() else _new_tokenizer(texts, settings)
        batches = make_batches(read_jsonl(texts / "base.jsonl"), tokenizer, settings)
        if not batches:
            fix = f"make more texts or lower batch_tokens ({settings.batch_tokens})"
            raise InputError("the texts are fewer than one batch", where=texts, fix=fix)
        stage.start()
        if not saved.is_dir():
            tokenizer.save_pretrained(saved.with_suffix(".partial"))
            replace_folder(saved.with_suffix(".partial"), saved)
        model = _new_model(tokenizer, settings)
        trainer = Trainer(model=model, args=arguments, train_dataset=batches, data_collator=_collate)
        facts = train(trainer)
        in_bfloat16(model).save_pretrained(out)
        AutoTokenizer.from_pretrained(saved).save_pretrained(out)
        drop_checkpoints(out)
        return stage.finish(parameters=model.num_parameters(), tokens=len(batches) * settings.batch_tokens, **facts)


def marked(row: dict[str, Any]) -> str:
    """A text of the base corpus with the role token of its kind."""
    return f"{USER if row['kind'] == 'problem' else ASSISTANT}\n{row['text']}{END}"


def make_batches(rows: Iterable[dict[str, Any]], tokenizer: Any, settings: PretrainSettings) -> list[dict[str, Any]]:
    """One row an optimizer step: ``batch_tokens`` token ids and the length of the sequences they are cut into.

    Every sequence is cut from texts of one kind; a batch holds sequences of both. What fills no sequence or no batch at
    the end is left out.
    """
    rng = random.Random(settings.seed)
    problems: list[str] = []
    others: list[str] = []
    for row in rows:
        (problems if row["kind"] == "problem" else others).append(marked(row))
    sequences: dict[int, list[list[int]]] = {settings.context: [], settings.block: []}
    for texts in (problems, others):
        rng.shuffle(texts)
        ids = [token for encoded in tokenizer(texts)["input_ids"] for token in encoded] if texts else []
        long = int(settings.long_share * len(ids)) // settings.context * settings.context
        sequences[settings.context] += _cut(ids[:long], settings.context)
        sequences[settings.block] += _cut(ids[long:], settings.block)
    batches = []
    for length, cut in sequences.items():
        rng.shuffle(cut)
        for batch in _cut(cut, settings.batch_tokens // length):
            batches.append({"ids": [token for sequence in batch for token in sequence], "length": length})
    rng.shuffle(batches)
    return batches


def _cut(items: list[T], size: int) -> list[list[T]]:
    return [items[start : start + size] for start in range(0, len(items) - size + 1, size)]


def _new_tokenizer(texts: Path, settings: PretrainSettings) -> Any:
    rows = read_jsonl(texts / "base.jsonl")
    return train_tokenizer((row["text"] for row in rows), settings.vocabulary, settings.context)


def _new_model(tokenizer: Any, settings: PretrainSettings) -> Any:
    """An LFM2: convolutions over three tokens hand each layer of attention the tokens before every token.

    To find where a name stood in the problem and go on from there takes exactly that, and a Llama of this size has to
    discover it first: on the same texts it needed half as many tokens more to the same loss.
    """
    import torch
    from transformers import Lfm2Config, Lfm2ForCausalLM

    torch.manual_seed(settings.seed)
    return Lfm2ForCausalLM(
        Lfm2Config(
            vocab_size=len(tokenizer),
            hidden_size=settings.width,
            num_hidden_layers=settings.layers,
            layer_types=["full_attention" if layer % 2 else "conv" for layer in range(settings.layers)],
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            intermediate_size=settings.feed_forward,
            block_auto_adjust_ff_dim=False,
            max_position_embeddings=settings.context,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    import torch

    ids = torch.tensor(rows[0]["ids"]).view(-1, rows[0]["length"])
    return {"input_ids": ids, "labels": ids}
