"""The arms of the paper's ablation and what goes beyond it: which model, what retrieval, how one answer is chosen.

Reads nothing and writes nothing; published figures are those of the AutoVCoder paper (arXiv 2407.18333), table II and
the ablation, for CodeQwen1.5-7B.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from autovcoder.records import Sampling

SAMPLING = Sampling(n=10, temperature=0.8, top_p=0.95, max_new_tokens=768)
"""How the paper samples; its answers may be longer (2,048 tokens)."""

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")

StageName = Literal["base", "round1", "round2-only", "round2"]
STAGES: tuple[StageName, ...] = ("base", "round1", "round2-only", "round2")
"""The models of the ablation, as `autovcoder finetune nano` names their folders; all but the first are adapters."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the table.

    Attributes:
        examples, knowledge: how many entries of each store are put before a problem, at most.
        chosen: one answer of each problem is chosen by consensus, out of those of the arm above it; ``mended``: after
            mending by rule. Such an arm has one answer a problem, so no pass@5.
        published: the paper's pass@5 by suite, in per cent. ``published_pass1``: its pass@1, given for one arm.
    """

    name: str
    stage: StageName
    examples: int = 0
    knowledge: int = 0
    chosen: bool = False
    mended: bool = False
    published: Mapping[str, float] = field(default_factory=dict)
    published_pass1: Mapping[str, float] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return self.name.replace("+", "and").replace(" ", "-")


PUBLISHED_SUITES = ("verilogeval-v1-machine", "verilogeval-v1-human", "rtllm-v1.1")
"""The suites that the paper measures."""


def _of_suites(*rates: float) -> dict[str, float]:
    """Rates on the paper's suites, in their order; of the last ones there may be none."""
    return dict(zip(PUBLISHED_SUITES, rates, strict=False))


ARMS = (
    Arm("base", "base", published=_of_suites(52.8, 28.1, 27.6)),
    Arm("round 1", "round1", published=_of_suites(65.4, 36.1, 34.5)),
    Arm("round 2 alone", "round2-only", published=_of_suites(75.1, 51.2, 44.8)),
    Arm("both rounds", "round2", published=_of_suites(78.3, 54.1, 51.7)),
    Arm("+ examples", "round2", examples=2),
    Arm("+ knowledge", "round2", knowledge=3),
    Arm(
        "+ both retrievers",
        "round2",
        examples=2,
        knowledge=3,
        published=_of_suites(79.9, 55.9, 51.7),
        published_pass1=_of_suites(68.7, 48.5),
    ),
    Arm("+ consensus", "round2", examples=2, knowledge=3, chosen=True),
    Arm("+ repair by rule", "round2", examples=2, knowledge=3, chosen=True, mended=True),
)


@dataclass(frozen=True, slots=True)
class Preset:
    """What is reproduced.

    Attributes:
        known: models of stages that the folder of the stages need not have.
        rounds: the training preset by which missing adapters are trained; None where they are not.
        parameters: of the base model.
    """

    name: str
    known: Mapping[StageName, str]
    rounds: str | None
    parameters: float


PRESETS = {
    "nano": Preset("nano", {"round2": "nano"}, None, 5.3e6),
    "paper": Preset("paper", {"base": "Qwen/CodeQwen1.5-7B"}, "codeqwen1.5-7b", 7.25e9),
}


def stage_models(folder: Path, preset: Preset) -> dict[StageName, str]:
    """The model of each stage that is there: a folder that is whole, or what the preset knows."""
    return {**preset.known, **{name: str(folder / name) for name in STAGES if is_whole(folder / name)}}


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a model or adapter that no training is still at: `autovcoder.store` says so of a stage."""
    weights = any((folder / name).is_file() for name in _WEIGHTS)
    return weights and ((folder / "manifest.json").is_file() or not (folder / "stage.json").is_file())
