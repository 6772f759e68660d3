"""What a reproduction will need, before it begins: tokens, GPU memory, hours, disk.

Reads a preset and counts; writes a table. Estimates, not measurements: the constants below are what they rest on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from autovcoder.cli.reproduce_arms import ARMS, Preset
from autovcoder.records import Sampling

_LETTERS_A_TOKEN = 3.2  # of Verilog, with a tokenizer for code
_ANSWER = 300  # tokens
_GPU_FLOPS, _UTILISED = 312e12, 0.35
_GENERATED = 1500.0  # tokens a second, of a 7B model on one such GPU, in batches
_SIMULATED = 40.0  # answers a second
_LORA_SHARE = 0.012  # of the parameters that rank 32 on eight projections trains


@dataclass(frozen=True, slots=True)
class Needs:
    """Estimates.

    Attributes:
        trained, generated: tokens. ``memory``: of the GPU, in GB. ``hours``: on one GPU. ``disk``: in GB.
    """

    trained: float
    generated: float
    memory: float
    hours: float
    disk: float


def needs(preset: Preset, problems: int, sampling: Sampling, corpora: Mapping[str, tuple[int, float]]) -> Needs:
    """What is needed at most: nothing is done yet.

    Args:
        problems: of all suites together.
        corpora: name to a count of letters and how often they are read in training; empty where nothing is trained.
    """
    asked = sum(not arm.chosen for arm in ARMS) * problems * sampling.n
    generated = float(asked * _ANSWER)
    trained = sum(letters / _LETTERS_A_TOKEN * epochs for letters, epochs in corpora.values())
    weights = 2 * preset.parameters / 1e9
    adapter = preset.parameters * _LORA_SHARE
    # Weights in 16 bits; an adapter with gradients and AdamW's moments in 32; activations with checkpointing, about.
    memory = weights + 16 * adapter / 1e9 + 8 if corpora else 1.2 * weights + 4
    training_s = 6 * preset.parameters * trained / (_GPU_FLOPS * _UTILISED)
    hours = (training_s + generated / _GENERATED + asked / _SIMULATED) / 3600
    disk = 3 * weights + 3 * 4 * adapter / 1e9 + asked * 6e3 / 1e9
    return Needs(trained, generated, memory, hours, disk)


def to_text(found: Needs, preset: Preset, problems: int, sampling: Sampling) -> str:
    """The estimates as lines."""
    arms = sum(not arm.chosen for arm in ARMS)
    speeds = f"{_GPU_FLOPS / 1e12:.0f} TFLOPS at {_UTILISED:.0%} in training, {_GENERATED:.0f} tokens/s in writing"
    lines = [
        f"preset {preset.name}: {arms} arms, {problems} problems, {sampling.n} answers to each in each",
        f"tokens to train on   {_millions(found.trained)}",
        f"tokens to write      {_millions(found.generated)} (about {_ANSWER} an answer)",
    ]
    if preset.rounds is not None:
        lines += [
            f"GPU memory           {math.ceil(found.memory)} GB",
            f"hours on one GPU     {found.hours:.1f} ({speeds})",
        ]
    lines += [f"disk                 {max(1, math.ceil(found.disk))} GB", "These are estimates."]
    return "\n".join(lines) + "\n"


def _millions(count: float) -> str:
    return f"{count / 1e6:.1f} million" if count else "none"
