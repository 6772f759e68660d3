"""The packaged model, made again by one command: data, base model, two rounds, merge, measurement, card.

Reads nothing but its settings; writes one stage folder a step below the run's folder, each resumed or passed over when
it is there, and at the end a model card with the figures of that very run.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from autovcoder.cli.report_errors import say
from autovcoder.config import Settings
from autovcoder.records import Sampling
from autovcoder.store import read_jsonl, read_manifest, write_atomic
from data_pipeline.pairs import PairSettings, make_pairs
from data_pipeline.texts import TextSettings, make_texts
from eval.report import Rate, rate_of
from eval.results import read_report
from finetune.merge import merge
from finetune.pretrain import PretrainSettings, pretrain
from finetune.rounds import RoundSettings, round1, round2
from finetune.tokenizer import ASSISTANT
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.simulator import Simulator

MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


# A model this small fits into memory whole: recomputing activations, as trl does by default, only costs time.
_SMALL: dict[str, Any] = {"gradient_checkpointing": False}


# Many small steps: what has to be learned is to look back into the problem, and that takes steps more than examples.
_ROUND2: dict[str, Any] = {"learning_rate": 1e-3, "per_device_train_batch_size": 8}


class NanoSettings(Settings):
    """The recipe. The defaults are those of the packaged model."""

    texts: TextSettings = TextSettings()
    # The families' benches are measured by mutants where pairs are published; here that would only take time.
    pairs: PairSettings = PairSettings(mutants=0)
    pretrain: PretrainSettings = PretrainSettings()
    round1: RoundSettings = RoundSettings(prefix=f"{ASSISTANT}\n", sft=_SMALL)
    round2: RoundSettings = RoundSettings(sft=_SMALL | _ROUND2)


def make_nano(out: Path, settings: NanoSettings) -> None:
    """Run every step that is not finished, then write ``card.md`` beside the stages."""
    simulator = IcarusPool()
    make_texts(out / "texts", settings.texts)
    say("texts: done")
    make_pairs(out / "pairs", settings.pairs, simulator)
    simulator.close()  # the trainings that follow need the memory
    say("pairs: done, every one simulated")
    pretrain(out / "texts", out / "base", settings.pretrain)
    say("base model: done")
    round1(str(out / "base"), out / "texts", out / "round1", settings.round1)
    merge(str(out / "base"), out / "round1", out / "after-round1")
    say("round 1: done")
    round2(str(out / "after-round1"), out / "pairs", out / "round2", settings.round2)
    merge(str(out / "after-round1"), out / "round2", out / "model")
    say("round 2: done")
    _measure(out, simulator)
    write_atomic(out / "card.md", card(out, settings))
    say(f"the model is in {out / 'model'}, its card in {out / 'card.md'}")


def install_nano(out: Path) -> None:
    """Copy the finished model and its card into the package."""
    target = Path(str(files("autovcoder") / "assets" / "nano"))
    target.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        shutil.copyfile(out / "model" / name, target / name)
    shutil.copyfile(out / "card.md", target / "README.md")
    say(f"installed: {target}")


def _measure(out: Path, simulator: Simulator) -> None:
    from autovcoder.cli.evaluate import evaluate_model
    from eval.suites import load_suite

    problems = load_suite("problems", out / "pairs")
    evaluate_model(problems, str(out / "model"), None, Sampling(max_new_tokens=768), out / "eval", simulator)


def slices(out: Path) -> dict[str, Rate]:
    """Pass@1 of the held-out problems: all, by kind of unseen wording, and by family."""
    passed: dict[str, list[float]] = defaultdict(list)
    for row in read_jsonl(out / "eval" / "verdicts.jsonl"):
        kind, family, _ = row["problem_id"].split(".")
        for name in ("all", f"unseen {kind}", family):
            passed[name].append(float(row["status"] == "pass"))
    return {name: rate_of(values, count=len(values)) for name, values in passed.items()}


def card(out: Path, settings: NanoSettings) -> str:
    """The model card: data, recipe, measured figures and how to make it again."""
    rates = slices(out)
    stages = {
        name: read_manifest(out / name) for name in ("texts", "pairs", "base", "round1", "round2", "model", "eval")
    }
    pairs, base = stages["pairs"], stages["base"].facts
    families = sorted(name for name in rates if name != "all" and not name.startswith("unseen "))
    report = read_report(out / "eval")
    versions = stages["round2"].versions
    by_family = "\n".join(_rate_line(name, rates[name]) for name in families)
    return f"""---
license: apache-2.0
language: en
pipeline_tag: text-generation
tags: [verilog, rtl]
---

# nano

A small language model that answers a problem in words with a Verilog module. It ships with AutoVCoder so that
everything can be tried offline; it knows the circuits it was trained on and little else.

- architecture: LFM2 (short convolutions and attention by turns), {base["parameters"]:,} parameters
- context: {settings.pretrain.context} tokens; weights in bf16
- tokenizer: byte-level BPE, {settings.pretrain.vocabulary} tokens, digits single
- format: Hugging Face; loads with `AutoModelForCausalLM`

## Data

All of it is generated by AutoVCoder's parametric circuit families; no text or code of anybody else is in it.

- base model: {stages["texts"].rows["base.jsonl"]:,} texts ({base["tokens"]:,} tokens), half problem texts, half RTL,
  of which {settings.texts.slips:.0%} has a mistake in it. Most RTL stands under a comment that lists the generator's
  parameters, states the interface, or both; no problem stands with its answer
- round 1: {stages["texts"].rows["rtl.jsonl"]:,} RTL modules that the front end accepts
- round 2: {pairs.rows["pairs.jsonl"]:,} problem and code pairs, each simulated with its own testbench before use
  ({pairs.facts["distinct_training_designs"]:,} distinct designs)

## Recipe

- base: from nothing, {base["steps"]} steps of {settings.pretrain.batch_tokens} tokens, {_minutes(base)}
{_round_line("round 1", stages["round1"].facts)}
{_round_line("round 2", stages["round2"].facts)}
- seeds: data {settings.pairs.seed}, training {settings.round2.seed}; torch {versions["torch"]}, transformers
  {versions["transformers"]}, trl {versions["trl"]}, peft {versions["peft"]}
- how to make it again: `autovcoder finetune nano --out runs/nano`

## Measured

Greedy decoding, one answer a problem, decided by simulation ({report.simulator}). Where a problem gives a header, or a
name only, the answer begins with it, as in every command. The problems are held out by
construction: their RTL occurs in no training data under any names, and their sentences are framed as no training text
is; for half of them the circuit is also named as no training text names it. Checked again on the finished pairs:
{pairs.facts["held_out_texts_in_training"]} texts and {pairs.facts["held_out_designs_in_training"]} designs of the
held-out set occur in them.

| held-out problems | count | pass@1 | 95 % interval |
|---|---|---|---|
{_rate_line("all", rates["all"])}
{_rate_line("unseen frame, seen headline", rates["unseen frame"])}
{_rate_line("unseen frame, unseen headline", rates["unseen headline"])}

| family | count | pass@1 | 95 % interval |
|---|---|---|---|
{by_family}

By verdict: {", ".join(f"{status} {rate.count}" for status, rate in report.by_status.items())}.
"""


def _minutes(facts: dict[str, Any]) -> str:
    return f"{facts['seconds'] / 60:.0f} minutes"


def _round_line(name: str, facts: dict[str, Any]) -> str:
    return (
        f"- {name}: LoRA with {facts['trainable_parameters']:,} trainable parameters, {facts['examples']:,} examples, "
        f"{facts['steps']} steps, {_minutes(facts)}"
    )


def _rate_line(name: str, rate: Rate) -> str:
    return f"| {name} | {rate.count} | {rate.value:.3f} | {rate.low:.3f} to {rate.high:.3f} |"
