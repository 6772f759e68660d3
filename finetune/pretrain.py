"""A base model: tokenizer and a small LFM2 from nothing, or trained on, by RTL as a repository might hold it.

Reads ``base.jsonl`` (a text a row); writes a Hugging Face model folder. No text asks for anything: how a request is
answered is for round 2 to teach.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from autovcoder.config import Settings
from autovcoder.errors import ConfigError, InputError
from autovcoder.files import read_jsonl, replace_folder
from autovcoder.models.transformers_engine import quiet
from autovcoder.store import DROPPED, Manifest, Stage, read_manifest
from finetune.checkpoints import CHECKPOINTS, finish, take_back_checkpoints
from finetune.corpus import in_comments, text_of
from finetune.packing import IGNORED
from finetune.saving import saving
from finetune.setting_checks import ALWAYS_DECIDED, refuse_decided
from finetune.tokenizer import END, train_tokenizer
from finetune.trainer import checked, common_arguments, in_bfloat16, load_model, model_input, train, versions

_LENGTH_STEP = 64
Labelled = tuple[list[int], list[int]]
"""Token ids and, for each, itself or ``IGNORED`` where it is not learned."""
_ADAM = "the optimizer's own are in finetune/muon.py"
_DECIDED = {
    **ALWAYS_DECIDED,
    "learning_rate": "set learning_rate, beside trainer",
    "weight_decay": "set weight_decay, beside trainer",
    "optim": "the optimizer is Muon with AdamW",
    "per_device_train_batch_size": "set batch_tokens, beside trainer",
    "num_train_epochs": "set epochs, beside trainer",
    "adam_beta1": _ADAM,
    "adam_beta2": _ADAM,
    "adam_epsilon": _ADAM,
}
"""Keys of ``transformers.TrainingArguments`` that would change nothing here, or break it."""


class PretrainSettings(Settings):
    """The model's shape and the training.

    Attributes:
        model: a base model to go on from: a folder, a hub's id or a packaged model's name. Its tokenizer and shape
            stay, whatever the settings of them say. None begins from nothing.
        layers: by turns a gated short convolution and attention, the first a convolution.
        width: a multiple of twice ``heads``, since rotary positions turn pairs of a head's numbers.
        context: the most tokens a sequence may have; a longer text is dropped.
        long_share: of the texts, those that stand one behind the other in sequences of ``context`` tokens, so that all
            positions are trained; the others are a sequence each.
        batch_tokens: tokens an optimizer step, padding included; at least ``context``.
        learn_comments: whether comments are learned too, and not only read. What they say is mostly chance, and the
            noise of it hides how the code below follows from them: in short trials a model came to copy a table from
            its comment only where comments were not learned.
        learning_rate: of Muon, see ``finetune.muon``; ``adam_learning_rate``: of embeddings, norms and convolutions.
        trainer: further arguments of ``transformers.TrainingArguments``.
    """

    seed: int = 0
    model: str | None = None
    vocabulary: PositiveInt = 2048
    width: PositiveInt = 256
    layers: int = Field(default=6, ge=2)
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 688
    context: PositiveInt = 2048
    long_share: float = Field(default=0.05, ge=0, le=1)
    batch_tokens: PositiveInt = 3072
    epochs: PositiveFloat = 1.0
    learn_comments: bool = False
    learning_rate: PositiveFloat = 2e-3
    adam_learning_rate: PositiveFloat = 3e-3
    weight_decay: float = Field(default=0.1, ge=0)
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
    def _a_batch_holds_a_sequence(cls, tokens: int, info: ValidationInfo) -> int:
        context = info.data.get("context", tokens)
        if tokens < context:
            raise PydanticCustomError("batch", f"batch_tokens ({tokens}) must be at least context ({context})")
        return tokens


def pretrain(texts: Path, out: Path, settings: PretrainSettings) -> Manifest:
    """Train tokenizer and base model from a texts folder (``base.jsonl``).

    Interrupted, it goes on from the last checkpoint; the finished folder loads with ``AutoModelForCausalLM``. Of its
    facts, ``tokens_in_data`` counts all batches once, however often they were trained on.

    Raises:
        StoreError: ``texts`` is not a finished stage, or ``out`` holds another run's work.
        ConfigError: a key of ``trainer`` is unknown, or a value is refused.
        InputError: the texts are fewer than one batch, or a row has no id or text.
    """
    read_manifest(texts)
    config, inputs = model_input(settings.model) if settings.model else ({}, {})
    config |= settings.model_dump(exclude={"model"})
    with Stage(
        out, "finetune.pretrain", config=config, inputs=inputs | {"texts": texts}, seed=settings.seed,
        versions=versions(),
    ) as stage, quiet():  # fmt: skip
        take_back_checkpoints(stage)
        if stage.manifest:
            return stage.manifest
        from transformers import AutoTokenizer

        arguments = training_arguments(out, settings)
        model, tokenizer = load_model(settings.model) if settings.model else (None, None)
        if model is not None and settings.context > model.config.max_position_embeddings:
            most = f"the model reads {model.config.max_position_embeddings} tokens"
            raise ConfigError(f"cannot be {settings.context}", where="context", fix=most)
        saved = out / CHECKPOINTS / "tokenizer"
        if saved.is_dir():
            tokenizer = AutoTokenizer.from_pretrained(saved)
        elif tokenizer is None:
            tokenizer = _new_tokenizer(texts, settings)
        sequences, left_out = tokenized(_rows(texts), tokenizer, settings)
        batches = make_batches(sequences, settings)
        if not batches:
            fix = f"make more texts or lower batch_tokens ({settings.batch_tokens})"
            raise InputError("the texts are fewer than one batch", where=texts, fix=fix)
        stage.start()
        already = {row["id"] for row in stage.rows(DROPPED)}
        for text_id, reason in left_out:
            if text_id not in already:
                stage.drop(text_id, reason)
        if not saved.is_dir():
            with saving(saved):
                tokenizer.save_pretrained(saved.with_suffix(".partial"))
                replace_folder(saved.with_suffix(".partial"), saved)
        if model is None:
            model = _new_model(tokenizer, settings)
        facts = train(_trainer(model, arguments, batches, tokenizer.pad_token_id, settings))
        with saving(out):
            in_bfloat16(model).save_pretrained(out)
            AutoTokenizer.from_pretrained(saved).save_pretrained(out)
        rows = [row for batch in batches for row in batch["rows"]]
        tokens, learned = sum(len(ids) for ids, _ in rows), sum(map(_count_learned, rows))
        facts |= {"tokens_in_data": tokens, "learned_tokens_in_data": learned}
        facts |= {"sequences_left_over": len(sequences) - len(rows), "parameters": model.num_parameters()}
        return finish(stage, **facts)


def training_arguments(out: Path, settings: PretrainSettings) -> Any:
    """The ``transformers.TrainingArguments`` of a training whose stage folder is ``out``.

    Raises:
        ConfigError: a key is unknown or is decided here, a value is refused, or several GPUs are visible.
    """
    from transformers import TrainingArguments

    refuse_decided("trainer", settings.trainer, _DECIDED)
    common = common_arguments(
        out, seed=settings.seed, epochs=settings.epochs, learning_rate=settings.learning_rate, batch=1
    )
    arguments = checked(TrainingArguments, "trainer", common | settings.trainer)
    if arguments.n_gpu > 1:  # transformers would hand out several batches at once, and here one is a whole step
        raise ConfigError("a base model is trained on one GPU", where="trainer", fix="set CUDA_VISIBLE_DEVICES to one")
    return arguments


def _trainer(model: Any, arguments: Any, batches: list[dict[str, Any]], pad: int, settings: PretrainSettings) -> Any:
    from transformers import PrinterCallback, Trainer

    from finetune.muon import MuonWithAdamW

    optimizer = MuonWithAdamW(
        model,
        learning_rate=settings.learning_rate,
        adam_learning_rate=settings.adam_learning_rate,
        weight_decay=settings.weight_decay,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=batches,
        data_collator=lambda rows: collate(rows, pad),
        optimizers=(optimizer, None),
    )
    trainer.remove_callback(PrinterCallback)  # it writes to stdout
    return trainer


def tokenized(
    rows: Iterable[dict[str, Any]], tokenizer: Any, settings: PretrainSettings
) -> tuple[list[Labelled], list[tuple[str, str]]]:
    """The training sequences, and (id, reason) of the texts that are left out."""
    rng = random.Random(settings.seed)
    sequences: list[Labelled] = []
    dropped: list[tuple[str, str]] = []
    joined: Labelled = ([], [])
    for row in rows:
        ids, labels = _sequence(row["text"], tokenizer, settings)
        if len(ids) > settings.context:
            dropped.append((row["id"], f"{len(ids)} tokens, the most is {settings.context}"))
        elif not _count_learned((ids, labels)):
            dropped.append((row["id"], "nothing but comments"))
        elif rng.random() >= settings.long_share:
            sequences.append((ids, labels))
        else:
            if len(joined[0]) + len(ids) > settings.context:
                sequences.append(joined)
                joined = ([], [])
            joined = (joined[0] + ids, joined[1] + labels)
    return sequences + ([joined] if joined[0] else []), dropped


def _sequence(text: str, tokenizer: Any, settings: PretrainSettings) -> Labelled:
    encoded = tokenizer(text + END, return_offsets_mapping=True)
    ids = list(encoded["input_ids"])
    if settings.learn_comments:
        return ids, ids
    inside = in_comments(text, encoded["offset_mapping"])
    return ids, [IGNORED if hidden else token for token, hidden in zip(ids, inside, strict=True)]


def _count_learned(sequence: Labelled) -> int:
    """How many tokens are targets: the first of a sequence has nothing before it."""
    return sum(label != IGNORED for label in sequence[1][1:])


def make_batches(sequences: list[Labelled], settings: PretrainSettings) -> list[dict[str, Any]]:
    """One row an optimizer step: ``rows``, sequences of about the same length, and the ``length`` they are padded to.

    Lengths are rounded up and a batch is always full, so that there are few shapes: a CPU's kernels are made for each
    shape anew. What fills no batch at the end is left out (``sequences_left_over`` of the manifest).
    """
    rng = random.Random(settings.seed)
    open_batches: dict[int, list[Labelled]] = {}
    batches = []
    for sequence in rng.sample(sequences, len(sequences)):
        length = min(settings.context, -(-len(sequence[0]) // _LENGTH_STEP) * _LENGTH_STEP)
        rows = open_batches.setdefault(length, [])
        rows.append(sequence)
        if len(rows) == settings.batch_tokens // length:
            batches.append({"rows": open_batches.pop(length), "length": length})
    return batches


def collate(batches: list[dict[str, Any]], pad: int) -> dict[str, Any]:
    """One batch as tensors; padding stands behind, where a causal model needs no mask, and counts for no loss."""
    import torch

    [batch] = batches
    ids = torch.full((len(batch["rows"]), batch["length"]), pad)
    labels = torch.full_like(ids, IGNORED)
    for number, (tokens, targets) in enumerate(batch["rows"]):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        labels[number, : len(tokens)] = torch.tensor(targets)
    return {"input_ids": ids, "labels": labels}


def _rows(texts: Path) -> Iterator[dict[str, str]]:
    path = texts / "base.jsonl"
    for number, row in enumerate(read_jsonl(path), start=1):
        yield {key: text_of(row, key, f"{path}, row {number}") for key in ("id", "text")}


def _new_tokenizer(texts: Path, settings: PretrainSettings) -> Any:
    return train_tokenizer((row["text"] for row in _rows(texts)), settings.vocabulary, settings.context)


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
