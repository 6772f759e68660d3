"""Train a retriever: InfoNCE over groups of a query, what helps with it, and what does not.

Reads groups; writes an encoder's folder, which sentence-transformers loads. A static encoder is made from nothing, with
a vocabulary of its own; any other is trained on from its weights.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from autovcoder.config import Settings
from autovcoder.errors import InputError, ToolMissing
from autovcoder.files import read_records
from autovcoder.models.transformers_engine import quiet
from autovcoder.records import Entry
from autovcoder.store import Manifest, Stage
from rag.chunks import handbook
from rag.embed import PACKAGED, load_sentence_transformer, unit_rows
from rag.groups import Group, Mined, Source, batches, mined_groups, title_groups, topic_groups
from rag.library import examples_of_pairs
from rag.vector_index import VectorIndex

CHECKPOINTS = "checkpoints"
_UNKNOWN = "[UNK]"
_TRAINING = "pip install 'autovcoder[rag,train]'"


class RetrieverSettings(Settings):
    """How a retriever is trained. The defaults for a pretrained encoder are the paper's (section III-D).

    Attributes:
        encoder: ``static``, trained from nothing, or a sentence-transformers encoder's folder or Hugging Face id.
        sources: what it learns from, see `rag.groups`.
        group: texts of a group besides the query. ``batch``: groups that are compared with each other.
        temperature: of InfoNCE. ``length``: the most tokens of a text that a pretrained encoder reads.
        learning_rate: 1e-5 for a pretrained encoder and 0.02 for a static one when not given; ``epochs``: 1 and 4.
        rounds: how often negatives are chosen; the first time by BM25, then by the encoder as it has become (for titles
            by BM25 every time).
        dimension, vocabulary: of a static encoder.
    """

    seed: int = 0
    encoder: str = PACKAGED
    sources: tuple[Source, ...] = ("topic", "title", "mined")
    group: Annotated[int, Field(ge=2)] = 8
    batch: PositiveInt = 32
    temperature: PositiveFloat = 0.02
    length: PositiveInt = 512
    learning_rate: PositiveFloat | None = None
    epochs: PositiveFloat | None = None
    rounds: PositiveInt = 2
    dimension: PositiveInt = 256
    vocabulary: PositiveInt = 6000

    @property
    def is_static(self) -> bool:
        return self.encoder == PACKAGED


def train_retriever(
    out: Path, settings: RetrieverSettings, *, pairs: Path | None = None, mined: Sequence[Path] = ()
) -> Manifest:
    """Train an encoder into a stage folder.

    Args:
        pairs: verified pairs, for groups by topic. ``mined``: folders of `rag.mine`, for groups by what helped.

    Raises:
        InputError: an input is missing, or there is nothing to learn from. ModelError: the encoder cannot be loaded.
        StoreError: ``out`` holds another run's work. ToolMissing: sentence-transformers or datasets is not
            installed.
    """
    _need_packages()
    inputs = {"pairs": pairs} if pairs else {}
    inputs |= {f"mined {number}": folder for number, folder in enumerate(mined, start=1)}
    with Stage(out, "rag.train", config=settings.model_dump(mode="json"), inputs=inputs, seed=settings.seed) as stage:
        if stage.manifest:
            return stage.manifest
        solved = examples_of_pairs(pairs) if pairs and "topic" in settings.sources else []
        found = [row for folder in mined for row in read_records(folder / "mined.jsonl", Mined)]
        groups = _groups(settings, solved, found, None, 0)
        if len({group.topic for group in groups}) < 2:
            raise InputError("there is nothing to learn from", fix="give --pairs of several topics, or more --mined")
        stage.start()
        model = _new_static(groups, settings) if settings.is_static else load_sentence_transformer(settings.encoder)
        losses = []
        for number in range(settings.rounds):
            folder = out / CHECKPOINTS / f"round-{number}"
            with quiet():
                if number:
                    groups = _groups(settings, solved, found, model, number)
                losses.append(_fit(model, groups, folder, settings, settings.seed + number))
        _save(model, out, settings)
        shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
        by_source = {source: sum(group.source == source for group in groups) for source in settings.sources}
        return stage.finish(groups=by_source, losses=losses, dimension=model.get_embedding_dimension())


def _groups(
    settings: RetrieverSettings, solved: Sequence[Entry], mined: Sequence[Mined], model: Any, number: int
) -> list[Group]:
    """The groups of a round; its negatives are near by ``model``, or by words where there is none yet."""

    def rank(queries: Sequence[str], texts: Sequence[str], k: int) -> NDArray[np.int64]:
        encoded = [
            np.ascontiguousarray(model.encode(list(part), normalize_embeddings=True, show_progress_bar=False))
            for part in (queries, texts)
        ]
        index = VectorIndex.empty(encoded[1].shape[1])
        index.add(unit_rows(encoded[1].astype(np.float32)))
        return index.search(encoded[0].astype(np.float32), min(k, len(texts)))[0]

    seed = settings.seed * 1000 + number
    groups: list[Group] = []
    if "topic" in settings.sources and solved:
        groups += topic_groups(solved, settings.group, seed, rank if model is not None else None)
    if "title" in settings.sources:
        groups += title_groups(handbook(), settings.group, seed)
    if "mined" in settings.sources:
        groups += mined_groups(mined, settings.group, seed)
    return groups


def _fit(model: Any, groups: Sequence[Group], folder: Path, settings: RetrieverSettings, seed: int) -> float:
    """Train on the groups from the last checkpoint below ``folder``, or from the start; returns the last loss."""
    import torch
    from sentence_transformers import SentenceTransformerTrainingArguments
    from transformers.trainer_utils import get_last_checkpoint

    epochs = settings.epochs or (4.0 if settings.is_static else 1.0)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        seed=seed,
        num_train_epochs=epochs / settings.rounds,
        learning_rate=settings.learning_rate or (2e-2 if settings.is_static else 1e-5),
        warmup_steps=0.1,
        per_device_train_batch_size=settings.batch,
        bf16=not settings.is_static,
        use_cpu=not torch.cuda.is_available(),
        save_steps=200,
        save_total_limit=1,
        logging_steps=20,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    if not settings.is_static:
        model.max_seq_length = min(settings.length, model.max_seq_length or settings.length)
    trainer = _trainer_class(groups, seed)(
        model=model,
        args=arguments,
        train_dataset=_dataset(groups, settings.group - 1),
        loss=_loss_class()(model, scale=1 / settings.temperature),
    )
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)  # it writes to stdout
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(losses[-1]) if losses else float(trainer.state.log_history[-1]["train_loss"])


def _dataset(groups: Sequence[Group], negatives: int) -> Any:
    """The groups as columns of texts, each with so many negatives; a group that has fewer repeats them.

    ``label`` has the numbers of the topics, the query's first.
    """
    from datasets import Dataset

    places = [[place % len(group.negatives) for place in range(negatives)] for group in groups]
    topics = [
        (group.topic, group.topics[0], *(group.topics[1 + place] for place in some))
        for group, some in zip(groups, places, strict=True)
    ]
    numbers = {topic: number for number, topic in enumerate(dict.fromkeys(chain(*topics)))}
    columns: dict[str, list[Any]] = {"anchor": [group.query for group in groups]}
    columns["positive"] = [group.positive for group in groups]
    for column in range(negatives):
        columns[f"negative_{column + 1}"] = [
            group.negatives[some[column]] for group, some in zip(groups, places, strict=True)
        ]
    columns["label"] = [[numbers[topic] for topic in some] for some in topics]
    return Dataset.from_dict(columns)


def _loss_class() -> Any:
    """InfoNCE in which another group's text of a query's own topic is no negative of the query."""
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    class TopicsApartLoss(MultipleNegativesRankingLoss):
        def compute_loss_from_embeddings(self, embeddings: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
            queries, texts = embeddings[0], torch.cat(embeddings[1:])
            count, own = len(queries), torch.arange(len(queries), device=queries.device)
            scores = self.similarity_fct(queries, texts) * self.scale
            # Texts stand column by column: all positives, then every group's first negative, and so on.
            same = labels[:, :1] == labels[:, 1:].T.flatten()
            ours = own[:, None] == torch.arange(len(texts), device=queries.device) % count
            return torch.nn.functional.cross_entropy(scores.masked_fill(same & ~ours, -torch.inf), own)

    return TopicsApartLoss


def _trainer_class(groups: Sequence[Group], seed: int) -> Any:
    """A trainer of sentence-transformers whose batches keep a topic from coming twice into one."""
    from sentence_transformers import SentenceTransformerTrainer
    from torch.utils.data import BatchSampler

    class TopicsApart(BatchSampler):
        def __init__(self, batch_size: int) -> None:
            self.batch_size, self.drop_last, self.epoch = batch_size, True, 0
            self._count = len(batches(groups, batch_size, seed * 1000))

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __iter__(self) -> Iterator[list[int]]:
            return iter(batches(groups, self.batch_size, seed * 1000 + self.epoch)[: self._count])

        def __len__(self) -> int:
            return self._count

    class RetrieverTrainer(SentenceTransformerTrainer):
        def get_batch_sampler(self, dataset: Any, batch_size: int, *_: Any, **__: Any) -> Any:  # noqa: ARG002
            return TopicsApart(min(batch_size, len({group.topic for group in groups})))

        def add_model_card_callback(self, *_: Any, **__: Any) -> None:
            """The library's own card is not written, and gathering for it shows a progress bar."""

    return RetrieverTrainer


def _new_static(groups: Sequence[Group], settings: RetrieverSettings) -> Any:
    """A static encoder with the vocabulary of the groups' texts, and small chance vectors."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    # Not WordPiece: its trainer numbers equally frequent pieces in another order every time.
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    # Names fall into their parts, and numbers into digits: what is told of rst_n is told of rst.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\W_]+"), behavior="removed"),
            pre_tokenizers.Split(Regex(r"\d"), behavior="isolated"),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary, special_tokens=[_UNKNOWN], show_progress=False, min_frequency=2
    )
    texts = dict.fromkeys(text for group in groups for text in (group.query, group.positive))
    tokenizer.train_from_iterator(texts, trainer)
    generator = torch.Generator().manual_seed(settings.seed)
    table = torch.randn(tokenizer.get_vocab_size(), settings.dimension, generator=generator) * 0.1
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")


def _save(model: Any, out: Path, settings: RetrieverSettings) -> None:
    """Save the encoder; a static one as a table in float16, which is all that a query needs."""
    if not settings.is_static:
        with quiet():
            model.save_pretrained(str(out))
        return
    from safetensors.numpy import save_file

    static = model[0]
    table = static.embedding.weight.detach().cpu().numpy().astype(np.float16)
    save_file({"embedding.weight": table}, out / "model.safetensors")
    static.tokenizer.save(str(out / "tokenizer.json"))
    kind = f"{type(static).__module__}.{type(static).__qualname__}"
    (out / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": kind}]) + "\n")


def _need_packages() -> None:
    from importlib.util import find_spec

    for name in ("sentence_transformers", "datasets"):
        if find_spec(name) is None:
            raise ToolMissing("training a retriever needs a package", where=name, fix=_TRAINING)
