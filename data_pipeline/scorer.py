"""The code scorer: a small network on a frozen encoder learns the grades of a sample, and grades everything.

Reads labelled modules and their vectors; writes a folder with ``scorer.safetensors``, ``held_out.jsonl`` (id, label
and prediction of each held-out module) and ``config.json``, and from such a folder gives scores.

After AutoVCoder (arXiv 2407.18333): sentence encoder, pooling, normalisation, multi-layer perceptron.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from autovcoder.errors import InputError, ModelError, StoreError
from autovcoder.files import sha256_file, write_atomic, write_jsonl
from autovcoder.records import QualityScore, RtlModule
from data_pipeline.encoder import DEFAULT_ENCODER, CodeEncoder
from data_pipeline.label import CRITERIA, as_score
from data_pipeline.scorer_metrics import Agreement, agreement, spearman
from data_pipeline.scorer_net import ScorerNet, ScorerSettings, fit
from data_pipeline.scorer_split import HELD_OUT, LEFT_OUT, TRAIN, VALIDATION, near_groups, split

if TYPE_CHECKING:
    import numpy as np

WEIGHTS, CONFIG, PREDICTED = "scorer.safetensors", "config.json", "held_out.jsonl"
# Fewer labels leave nothing to measure on.
MIN_LABELS = 50
# With fewer repositories, one of them would decide what the split by repository says.
_MIN_REPOSITORIES = 8
# A part with fewer modules says nothing, and ends no training.
_MIN_PART = 5


class ScorerConfig(BaseModel):
    """What ``config.json`` holds.

    Attributes:
        encoder: `CodeEncoder.identity`. ``size``: numbers in a vector.
        labels: the labeller's name. ``modules``: how many were trained on, stopped by, held out.
        held_out: measured on modules that are no near duplicates of any trained on; the scorer in the folder.
        other_repositories: the same measured on repositories of which nothing was trained on, by a second scorer made
            for that; None where there are too few repositories.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: dict[str, str]
    size: int
    labels: str
    criteria: tuple[str, ...]
    settings: ScorerSettings
    modules: tuple[int, int, int]
    repositories: int
    weights_sha256: str
    held_out: Agreement
    other_repositories: Agreement | None


class MlpScorer:
    """A `Scorer` of a trained folder; `load` makes one."""

    def __init__(self, config: ScorerConfig, net: ScorerNet, encoder: CodeEncoder) -> None:
        self.config = config
        self._net, self._encoder = net, encoder
        self.name = score_name(config)

    @classmethod
    def load(cls, folder: Path, encoder: CodeEncoder | None = None) -> Self:
        """The scorer of a folder that `train_scorer` wrote, on the encoder that it names where none is given.

        Raises:
            StoreError: it is no such folder, or is damaged.
            ModelError: the encoder is not the one that it was trained with, or cannot be loaded.
        """
        config = read_config(folder)
        encoder = encoder or CodeEncoder(config.encoder.get("name", DEFAULT_ENCODER))
        check_encoder(config, encoder, folder)
        return cls(config, read_net(folder), encoder)

    def score(self, modules: Sequence[RtlModule]) -> list[QualityScore]:
        return scores(self.config, self._net, self._encoder.encode([module.code for module in modules]))


def scores(config: ScorerConfig, net: ScorerNet, vectors: np.ndarray) -> list[QualityScore]:
    """The scores of modules by their vectors, which are of the scorer's own encoder."""
    name = score_name(config)
    return [
        as_score(name, dict(zip(config.criteria, row, strict=True)))
        for row in net.predict(vectors).astype(float).tolist()
    ]


def check_encoder(config: ScorerConfig, encoder: CodeEncoder, folder: Path) -> None:
    """Refuse an encoder that is not the one a scorer was trained with.

    Raises:
        ModelError: it is another.
    """
    # The same weights may lie in another folder, and so have another name.
    for part in ("sha256", "pooling"):
        if encoder.identity[part] != config.encoder.get(part):
            raise ModelError(
                f"the scorer was trained with another encoder ({part}) than {encoder.name}",
                where=folder,
                fix=f"use {config.encoder.get('name')} as it was then, or train the scorer again",
            )


def train_scorer(
    modules: Sequence[RtlModule],
    vectors: np.ndarray,
    encoder: dict[str, str],
    settings: ScorerSettings,
    out: Path,
) -> ScorerConfig:
    """Train on modules that have a score with the five criteria, and measure on those held out.

    Args:
        vectors: of the modules, in their order, by the encoder of this identity (`CodeEncoder.identity`).
        out: an existing folder.

    Raises:
        InputError: too few modules, one has no criteria, the labels come from several labellers, or nearly all modules
            are alike, so that nothing is left to measure on.
    """
    import numpy as np
    from safetensors.torch import save_file

    labeller = _labeller(modules)
    labels = np.array([[m.score.rubric[c] for c in CRITERIA] for m in modules if m.score], np.float32)
    groups = near_groups([m.code for m in modules])
    parts = split(groups, settings.held_out, settings.validation, settings.seed)
    if _least(parts) < _MIN_PART:
        raise InputError("the labelled modules are too much alike to hold some of them out", where=labeller)
    net = fit(vectors, labels, parts, settings)
    repositories = [m.provenance.repo for m in modules]
    other = _by_repository(vectors, labels, repositories, groups, settings)
    save_file(net.state(), out / WEIGHTS)
    rows = np.flatnonzero(parts == HELD_OUT)
    predicted = net.predict(vectors[rows])
    write_jsonl(
        out / PREDICTED,
        _rows([modules[i].id for i in rows.tolist()], predicted.mean(axis=1), labels[rows].mean(axis=1)),
    )
    config = ScorerConfig(
        encoder=encoder,
        size=vectors.shape[1],
        labels=labeller,
        criteria=CRITERIA,
        settings=settings,
        modules=(int((parts == TRAIN).sum()), int((parts == VALIDATION).sum()), int((parts == HELD_OUT).sum())),
        repositories=len(set(repositories)),
        weights_sha256=sha256_file(out / WEIGHTS),
        held_out=_measure(predicted, labels[rows], np.asarray(groups)[rows], settings.seed),
        other_repositories=other,
    )
    # Last, so that a folder with it is whole.
    write_atomic(out / CONFIG, config.model_dump_json(indent=2) + "\n")
    return config


def read_config(folder: Path) -> ScorerConfig:
    """What a scorer's folder says about itself.

    Raises:
        StoreError: it is no such folder, or is damaged.
    """
    try:
        return ScorerConfig.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError("no trained scorer here", where=folder, fix="train one, or give its folder") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise StoreError("the scorer's configuration cannot be read", where=folder, fix=str(error)) from None


def read_net(folder: Path) -> ScorerNet:
    """The network of a scorer's folder, for vectors of its encoder.

    Raises:
        StoreError: it is no such folder, or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if sha256_file(folder / WEIGHTS) != read_config(folder).weights_sha256:
        raise StoreError("the scorer's weights are not those of its configuration", where=folder / WEIGHTS)
    try:
        return ScorerNet.from_state(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise StoreError("the scorer cannot be loaded", where=folder, fix=str(error)[:300]) from None


def score_name(config: ScorerConfig) -> str:
    """What a scorer's scores are filed under."""
    return f"mlp-{config.weights_sha256[:8]}:{config.labels}"


def _labeller(modules: Sequence[RtlModule]) -> str:
    if len(modules) < MIN_LABELS:
        raise InputError(f"a scorer needs at least {MIN_LABELS} labelled modules, here are {len(modules)}")
    names = {m.score.scorer if m.score and set(m.score.rubric) == set(CRITERIA) else "" for m in modules}
    if "" in names:
        raise InputError("a module has no grades of the five criteria", fix="label all that the scorer is trained on")
    if len(names) > 1:
        raise InputError(f"the labels come from several labellers: {', '.join(sorted(names))}")
    return names.pop()


def _by_repository(
    vectors: np.ndarray, labels: np.ndarray, repositories: list[str], groups: list[int], settings: ScorerSettings
) -> Agreement | None:
    """What a scorer is worth on repositories it saw nothing of, copies of their modules elsewhere included.

    None where there are too few repositories to say.
    """
    import numpy as np

    if len(set(repositories)) < _MIN_REPOSITORIES:
        return None
    parts = split(repositories, settings.held_out, settings.validation, settings.seed)
    strange = parts == HELD_OUT
    copied = np.isin(groups, np.asarray(groups)[strange]) & ~strange
    parts[copied] = LEFT_OUT
    if _least(parts) < _MIN_PART:
        return None
    predicted = fit(vectors, labels, parts, settings).predict(vectors[strange])
    _, of = np.unique(np.asarray(repositories)[strange], return_inverse=True)
    return _measure(predicted, labels[strange], of, settings.seed)


def _least(parts: np.ndarray) -> int:
    """How many modules the smallest part has."""
    return min(int((parts == part).sum()) for part in (TRAIN, VALIDATION, HELD_OUT))


def _measure(predicted: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int) -> Agreement:
    """Agreement of two arrays of criteria, shape (modules, criteria); ``groups`` are resampled whole."""
    found = agreement(predicted.mean(axis=1), labels.mean(axis=1), groups, seed)
    each = {name: round(spearman(predicted[:, i], labels[:, i]), 4) for i, name in enumerate(CRITERIA)}
    return found.model_copy(update={"criteria": each})


def _rows(ids: list[str], predicted: np.ndarray, labels: np.ndarray) -> Iterator[dict[str, str | float]]:
    for name, score, label in zip(ids, predicted.tolist(), labels.tolist(), strict=True):
        yield {"id": name, "label": round(label, 4), "predicted": round(score, 4)}
