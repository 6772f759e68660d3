"""The whole way from collected repositories to a corpus, one stage folder after the other.

Reads a collected folder; writes ``modules``, ``clean``, ``decontaminated``, ``scored`` and ``corpus`` into one folder.
Stages that are complete are not done again, so that an interrupted run goes on. Another threshold is another corpus:
`select` makes it from the same scored folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.store import Manifest
from data_pipeline.clean import CleanStageSettings, clean
from data_pipeline.decontaminate import decontaminate
from data_pipeline.executors import ExecutorSettings
from data_pipeline.extract import extract
from data_pipeline.label import Labeller
from data_pipeline.score import ScoreSettings, score
from data_pipeline.select import SelectSettings, select
from data_pipeline.shards import Run, ShardSettings

STAGES = ("extract", "clean", "decontaminate", "score", "select")
MODULES, CLEAN, DECONTAMINATED, SCORED, CORPUS = "modules", "clean", "decontaminated", "scored", "corpus"


class CorpusSettings(Settings):
    """The settings of all stages, each in its section, and where they run."""

    extract: ShardSettings = Field(default_factory=ShardSettings)
    clean: CleanStageSettings = Field(default_factory=CleanStageSettings)
    decontaminate: ShardSettings = Field(default_factory=ShardSettings)
    score: ScoreSettings = Field(default_factory=ScoreSettings)
    select: SelectSettings = Field(default_factory=SelectSettings)
    executor: ExecutorSettings = Field(default_factory=ExecutorSettings)


def make_corpus(
    repos: Path,
    out: Path,
    against: Sequence[Path],
    settings: CorpusSettings,
    run: Run,
    labeller: Labeller,
    scorer: Path | None = None,
) -> list[Manifest]:
    """Run every stage; returns their manifests, in order.

    Args:
        against: ``problems.jsonl`` of the suites that the corpus must not hold; none is said in the card.
        scorer: a trained scorer's folder, instead of training one.

    Raises:
        AutoVCoderError: what a stage raises.
    """
    modules, cleaned, apart, scored = (out / name for name in (MODULES, CLEAN, DECONTAMINATED, SCORED))
    return [
        extract(repos, modules, settings.extract, run),
        clean(modules, cleaned, settings.clean, run),
        decontaminate(cleaned, apart, against, settings.decontaminate, run),
        score(apart, scored, settings.score, run, labeller, scorer),
        select(scored, out / CORPUS, settings.select, run, before=(modules, cleaned, apart)),
    ]
