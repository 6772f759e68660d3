"""The stage that scores every module: a sample is graded, a small network learns the grades, and grades the rest.

Reads a stage folder of modules; writes one whose modules have a score, with ``labels.jsonl`` (the graded sample) and
``scorer/`` (the trained scorer with its card), unless it was given a trained one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.batching import batched
from pydantic import Field

from autovcoder.errors import InputError, ModelError
from autovcoder.records import QualityScore, RtlModule
from autovcoder.store import Manifest, Stage
from data_pipeline.documents import DATA, ModuleReader, ModuleWriter, read_modules, to_document, to_module
from data_pipeline.encoder import DEFAULT_ENCODER, CodeEncoder
from data_pipeline.label import PAPER_SAMPLE, Labeller, stratified_sample
from data_pipeline.scorer import check_encoder, read_config, read_net, score_name, scores, train_scorer
from data_pipeline.scorer_card import write_card
from data_pipeline.scorer_net import ScorerSettings
from data_pipeline.shards import Run, ShardedStage, ShardSettings, input_stage

if TYPE_CHECKING:
    import numpy as np

NAME = "data.score"
LABELS = "labels.jsonl"
SCORER = "scorer"
_VECTORS, _IDS = ".f32", ".ids"
# Modules whose vectors or scores are worked out together.
_BATCH = 256
# Modules that are graded between two writes of their labels: what an interrupt can cost of a paid model's work.
_LABELS_AT_ONCE = 32


class ScoreSettings(ShardSettings):
    """How modules are scored.

    Attributes:
        encoder: a sentence-transformers encoder: the packaged one, a folder, or a Hugging Face id in the cache.
        labels: modules that are graded to train the scorer; the paper grades 15,000 (section III-B).
        seed: of the sample. ``training``: the network's settings.
    """

    encoder: str = DEFAULT_ENCODER
    labels: int = Field(default=PAPER_SAMPLE, ge=1)
    seed: int = 0
    training: ScorerSettings = ScorerSettings()


class EncodeModules(PipelineStep):  # type: ignore[misc]
    """Writes the vectors of a task's modules, in their order, as float32, and their ids beside them."""

    type = "score"
    name = "encode"

    def __init__(self, encoder: str, out: Path) -> None:
        super().__init__()
        self._encoder, self._out = encoder, out

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        import torch

        del world_size
        torch.set_num_threads(1)  # there is a task for every core
        encoder = CodeEncoder(self._encoder)
        self._out.mkdir(parents=True, exist_ok=True)
        file = self._out / f"{rank:05d}{_VECTORS}"
        with file.open("wb") as vectors, file.with_suffix(_IDS).open("w", encoding="utf-8") as ids:
            for batch in batched(data, _BATCH):
                with self.track_time("batch"):
                    vectors.write(encoder.encode([document.text for document in batch]).tobytes())
                ids.writelines(f"{document.id}\n" for document in batch)
        yield from ()


class ScoreModules(PipelineStep):  # type: ignore[misc]
    """Gives each module the score that the trained scorer reads from its vector."""

    type = "score"
    name = "score"

    def __init__(self, scorer: Path, vectors: Path) -> None:
        super().__init__()
        self._scorer, self._vectors = scorer, vectors

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        import numpy as np
        import torch

        del world_size
        torch.set_num_threads(1)  # there is a task for every core
        config, net = read_config(self._scorer), read_net(self._scorer)
        vectors = _read_vectors(self._vectors / f"{rank:05d}{_VECTORS}", config.size)
        at = 0
        for batch in batched(data, _BATCH):
            found = scores(config, net, np.array(vectors[at : at + len(batch)]))
            at += len(batch)
            for document, score in zip(batch, found, strict=True):
                yield to_document(to_module(document).model_copy(update={"score": score}))


def score(
    modules: Path, out: Path, settings: ScoreSettings, run: Run, labeller: Labeller, scorer: Path | None = None
) -> Manifest:
    """Score every module, by a scorer that is trained here or by the one in ``scorer``.

    Args:
        labeller: grades the sample; not asked where a scorer is given.

    Raises:
        StoreError: a folder is unfinished or holds other work. InputError: too few modules to train a scorer on.
        ModelError: the encoder or the model that grades cannot be used.
    """
    modules, scorer = input_stage(modules), scorer and Path(scorer).resolve()
    inputs = {"modules": modules, **({"scorer": scorer} if scorer else {})}
    config = settings.model_dump() | {"labeller": None if scorer else labeller.name}
    packages = ("datatrove", "torch", "sentence-transformers")
    with ShardedStage(out, NAME, config=config, inputs=inputs, run=run, seed=settings.seed, packages=packages) as stage:
        if stage.manifest:
            return stage.manifest
        if scorer is not None:
            check_encoder(read_config(scorer), CodeEncoder(settings.encoder), scorer)
        vectors = stage.work / "vectors"
        encode = EncodeModules(settings.encoder, vectors)
        stage.phase("encode", [ModuleReader(modules / DATA), encode], settings.tasks)
        if scorer is None:
            scorer = out / SCORER
            stage.timed("train", lambda: _train(stage.stage, modules, vectors, settings, labeller))
        steps = [ModuleReader(modules / DATA), ScoreModules(scorer, vectors), ModuleWriter(out / DATA)]
        stage.phase("score", steps, settings.tasks)
        trained = read_config(scorer)
        return stage.finish(scorer=score_name(trained), spearman=trained.held_out.spearman)


def _train(stage: Stage, modules: Path, vectors: Path, settings: ScoreSettings, labeller: Labeller) -> None:
    sample = stratified_sample(read_modules(modules), settings.labels, settings.seed)
    labelled = _label(stage, sample, labeller)
    if not labelled:
        raise InputError("none of the sample could be graded", where=labeller.name)
    folder = stage.folder / SCORER
    folder.mkdir(exist_ok=True)
    encoder = CodeEncoder(settings.encoder)
    found = _vectors_of([module.id for module in labelled], vectors, encoder.size)
    train_scorer(labelled, found, encoder.identity, settings.training, folder)
    write_card(folder)


def _label(stage: Stage, sample: Sequence[RtlModule], labeller: Labeller) -> list[RtlModule]:
    """The modules of the sample that could be graded, with their grades; those of an interrupted run are not asked for
    again.
    """
    known = {row["id"]: row["score"] for row in stage.rows(LABELS)}
    for batch in batched([module for module in sample if module.id not in known], _LABELS_AT_ONCE):
        labels = labeller.label(batch)
        if not known and not any(labels):
            # The rest would end like these, and may cost as much.
            raise ModelError(f"none of the first {len(batch)} modules could be graded", where=labeller.name)
        for module, label in zip(batch, labels, strict=True):
            row = {"id": module.id, "score": label.model_dump() if label else None}
            stage.append(LABELS, row)
            known[module.id] = row["score"]
    return [
        module.model_copy(update={"score": QualityScore(**known[module.id])}) for module in sample if known[module.id]
    ]


def _read_vectors(file: Path, size: int) -> np.ndarray:
    """The vectors of a task's modules, shape (modules, size), read from the disk as they are looked at."""
    import numpy as np

    if not file.stat().st_size:
        return np.zeros((0, size), np.float32)
    return np.memmap(file, np.float32, mode="r").reshape(-1, size)


def _vectors_of(ids: Sequence[str], folder: Path, size: int) -> np.ndarray:
    """The vectors of some modules, in the order of ``ids``."""
    import numpy as np

    places = {name: number for number, name in enumerate(ids)}
    found = np.zeros((len(ids), size), np.float32)
    for file in sorted(folder.glob(f"*{_VECTORS}")):
        vectors = _read_vectors(file, size)
        with file.with_suffix(_IDS).open(encoding="utf-8") as lines:
            for row, line in enumerate(lines):
                if (place := places.get(line.strip())) is not None:
                    found[place] = vectors[row]
    return found
