"""How fast a LoRA round trains: ours, against the recipe that AutoVCoder's authors released and TRL's defaults.

Reads no file but the model's; makes its pairs from the circuit families; prints a table. All three train the same
model with the same LoRA on the same pairs, each in a process of its own (`training_variants.py`), by turns, and the
table has the medians of the rounds. Run it on a machine that does nothing else:

    python benchmarks/training_speed.py [--model nano|qwen2.5-1.5b|qwen2.5-7b|FOLDER] [--device cpu|cuda]

The Qwen models have their real shape, random weights and nano's tokenizer: nothing is downloaded. Tokens are those
that are no padding, prompts included. Model FLOPs utilisation counts 4 N + 6 A operations a token, N parameters in
matrix products and A of the adapter (2 N forward, 2 N backward for the activations; no gradients of the N, which full
training needs: 6 N), as Chowdhery et al. 2022 do (arXiv 2204.02311, appendix B): what gradient checkpointing computes
again is not counted; nor are attention scores here. On a GPU this program has not been run yet, so no figure for one
is known; its parts for a GPU are the synchronisation, the peak memory and the table of peaks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, median
from typing import Any

import psutil
from training_variants import VARIANTS, Job, Result

from autovcoder.models.local import PACKAGED, resolve
from data_pipeline.parametric import ParametricTeacher
from finetune.presets import load_preset, round_settings

SHAPES: dict[str, dict[str, Any]] = {
    "qwen2.5-1.5b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "qwen2.5-7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
    },
}
"""From the ``config.json`` of Qwen/Qwen2.5-Coder-1.5B and Qwen/Qwen2.5-Coder-7B; the rest is in `write_model`."""

PRESETS = {"nano": "nano", "qwen2.5-1.5b": "qwen2.5-coder-1.5b", "qwen2.5-7b": "qwen2.5-coder-7b"}

PEAK_TFLOPS = (
    ("B200", 2250.0),
    ("H200", 989.4),
    ("H100 PCIe", 756.0),
    ("H100 NVL", 835.5),
    ("H100", 989.4),
    ("A100", 312.0),
    ("L40S", 362.0),
    ("L40", 181.0),
    ("L4", 121.0),
    ("RTX 4090", 165.2),
)
"""Dense BF16 matrix products with float32 sums, in 10^12 FLOP/s, by the first name that is in the device's.

From NVIDIA's data sheets, halved where these give the figure with sparsity.
"""


def draw_pairs(rows: int) -> list[tuple[str, str]]:
    """So many different (problem, code) of the circuit families; not simulated, which changes no speed."""
    teacher = ParametricTeacher()
    drawn = (teacher.drawn(0, index) for index in teacher.distinct(0, rows))
    return [(pair.problem, pair.code) for pair in drawn]


def write_model(shape: Mapping[str, Any], folder: Path) -> None:
    """A Qwen2 of this shape as a folder without weights, with the special tokens of nano's tokenizer."""
    from transformers import AutoTokenizer, Qwen2Config

    tokenizer = AutoTokenizer.from_pretrained(resolve("nano"))
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    lengths = {"max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e6}
    Qwen2Config(**shape, **ends, **lengths).save_pretrained(folder)


def parameters(folder: Path) -> int:
    """Of the model in the folder, which is not made."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return sum(p.numel() for p in AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).parameters())


def bytes_needed(count: int, shape: Mapping[str, Any]) -> int:
    """Roughly: bf16 weights, and what the peer with most of it holds of 4096 tokens.

    That is the logits, in bf16 and float32, what their softmax keeps, and the gradients of both, in all 16 bytes; and
    the input of each layer, for gradient checkpointing.
    """
    tokens = 2 * 2048
    return 2 * count + tokens * (16 * shape["vocab_size"] + 2 * shape["hidden_size"] * shape["num_hidden_layers"])


def run_child(job: Job, device: str, folder: Path) -> Result | str:
    """The result, or the last line of what went wrong. ``folder`` gets the job."""
    file = folder / "job.json"
    file.write_text(json.dumps(asdict(job)), encoding="utf-8")
    child = [sys.executable, str(Path(__file__).with_name("training_variants.py")), str(file)]
    # One GPU at most: with several, transformers spreads batches over them.
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] if device == "cuda" else ""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": gpu}
    done = subprocess.run(child, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        return said[-1]
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def run_rounds(jobs: Sequence[Job], rounds: int, device: str, folder: Path) -> dict[str, list[Result] | str]:
    """The results of each variant: A B C A B C ...; a variant that fails is not tried again."""
    results: dict[str, list[Result] | str] = {job.variant: [] for job in jobs}
    for number in range(rounds):
        for job in jobs:
            so_far = results[job.variant]
            if isinstance(so_far, str):
                continue
            result = run_child(Job(**{**asdict(job), "seed": number}), device, folder)
            if isinstance(result, str):
                results[job.variant] = result
                print(f"round {number + 1}: {job.variant:16} failed: {result}", flush=True)
            else:
                so_far.append(result)
                print(f"round {number + 1}: {job.variant:16} {result.tokens_per_second:10,.0f} tokens/s", flush=True)
    return results


def peak_flops(device: str) -> float | None:
    """FLOP/s of a GPU by its name; None where it is not in the table."""
    return next((1e12 * tflops for name, tflops in PEAK_TFLOPS if name in device.replace("-", " ")), None)


def utilisation(result: Result, peak: float) -> float:
    """The share of the device's FLOP/s that the tokens take: 4 N + 6 A each."""
    return result.tokens_per_second * (4 * result.parameters + 6 * result.adapter) / peak


def table(results: Mapping[str, list[Result] | str], peak: float | None) -> list[str]:
    """A line for each variant: medians over its rounds, and in brackets the slowest and fastest."""
    speeds = {name: [r.tokens_per_second for r in rows] for name, rows in results.items() if not isinstance(rows, str)}
    first = median(next(iter(speeds.values()))) if speeds else 0.0
    lines = [
        f"{'':16} {'tokens/s':>10} {'[least, most]':>20} {'ratio':>6} {'padding':>8} {'memory':>9} {'MFU':>6} attention"
    ]
    for name, rows in results.items():
        if isinstance(rows, str):
            lines.append(f"{name:16} failed: {rows}")
            continue
        speed = speeds[name]
        span = f"[{min(speed):,.0f}, {max(speed):,.0f}]"
        used = f"{median(utilisation(r, peak) for r in rows):6.1%}" if peak else f"{'-':>6}"
        lines.append(
            f"{name:16} {median(speed):10,.0f} {span:>20} {median(speed) / first:6.2f} "
            f"{mean(r.padding for r in rows):8.1%} {max(r.peak_bytes for r in rows) / 2**30:5.2f} GiB {used} "
            f"{rows[0].attention}"
        )
    return lines


def _prepare(arguments: argparse.Namespace, folder: Path) -> list[Job]:
    """The jobs of the first round; ``folder`` gets the pairs and a model of a known shape.

    Raises:
        SystemExit: there is no such model, or no room for it.
    """
    name, model = arguments.model, folder / "model"
    tokenizer = Path(resolve("nano"))
    if name in SHAPES:
        write_model(SHAPES[name], model)
        needed, free = bytes_needed(parameters(model), SHAPES[name]), psutil.virtual_memory().available
        if arguments.device == "cpu" and needed > free:
            raise SystemExit(
                f"{name} needs about {needed / 2**30:.0f} GiB of memory on a CPU, and {free / 2**30:.0f} are free"
            )
    elif name in PACKAGED or (Path(name) / "config.json").is_file():
        model = tokenizer = Path(resolve(name)).resolve()
    else:
        raise SystemExit(f"no such model: {name}; known: {', '.join(PRESETS)}, or a folder with a config.json")
    settings = round_settings(load_preset(PRESETS[name]).round2 if name in PRESETS else {})
    pairs = folder / "pairs.json"
    pairs.write_text(json.dumps(draw_pairs(arguments.rows)), encoding="utf-8")
    given = settings.model_dump(mode="json", exclude_unset=True)
    timing = {"steps": arguments.steps, "warmup": arguments.warmup, "seed": 0}
    return [Job(variant, str(model), str(tokenizer), given, str(pairs), **timing) for variant in VARIANTS]


def main(argv: Sequence[str] | None = None) -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="nano, qwen2.5-1.5b, qwen2.5-7b, or a folder")
    parser.add_argument("--rows", type=int, default=400, help="pairs (400)")
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps that are timed, each round (10)")
    parser.add_argument("--warmup", type=int, default=3, help="steps before these (3)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--peak-tflops", type=float, help="the device's peak, in 10^12 FLOP/s, for the MFU")
    arguments = parser.parse_args(argv)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no GPU that torch can use here; give --device cpu")
    if min(arguments.rows, arguments.steps, arguments.warmup, arguments.rounds) < 1:
        raise SystemExit("--rows, --steps, --warmup and --rounds are 1 or more")
    with tempfile.TemporaryDirectory() as place:
        jobs = _prepare(arguments, Path(place))
        results = run_rounds(jobs, arguments.rounds, arguments.device, Path(place))
    done = [rows[0] for rows in results.values() if not isinstance(rows, str)]
    device = done[0].device if done else arguments.device
    peak = 1e12 * arguments.peak_tflops if arguments.peak_tflops else peak_flops(device)
    source = "--peak-tflops" if arguments.peak_tflops else "the table of this program"
    told = f"; peak {peak / 1e12:,.0f} TFLOP/s, from {source}" if peak else "; no peak known for an MFU"
    size = f", {done[0].parameters / 1e6:,.1f}M parameters in matrix products, LoRA {done[0].adapter / 1e6:.2f}M"
    print(f"\n{arguments.model}{size if done else ''} on {device}{told}")
    print(f"{arguments.rows} pairs, {arguments.steps} steps after {arguments.warmup}, {arguments.rounds} rounds")
    print("\n".join(table(results, peak)))


if __name__ == "__main__":
    main()
