"""The packaged model, made again by one command: data, base model, the rounds of the ablation, measurement, card.

Reads nothing but its settings and, where given, benchmarks; writes one stage folder a step below the run's folder, each
resumed or passed over when it is there, and at the end a model card with the figures of that very run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from autovcoder.cli.report_errors import say
from autovcoder.config import Settings, load_settings, merged
from autovcoder.errors import InputError
from autovcoder.files import write_atomic
from autovcoder.records import Sampling
from data_pipeline.pairs import PairSettings, make_pairs
from data_pipeline.texts import TextSettings, make_texts
from finetune.merge import merge
from finetune.presets import load_preset
from finetune.pretrain import PretrainSettings, pretrain
from finetune.rounds import RoundSettings, round1, round2
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
ABLATION = {"base": "base", "round 1": "round1", "round 2 only": "round2-only", "rounds 1 and 2": "round2"}
"""The models that are measured, and the stage folder of each; all but the first are adapters of it."""
HELD_OUT = Sampling(max_new_tokens=768)
BENCHMARK = Sampling(n=10, temperature=0.8, top_p=0.95, max_new_tokens=768)
"""How the paper samples."""


class NanoSettings(Settings):
    """The sections of the recipe."""

    texts: TextSettings = TextSettings()
    pairs: PairSettings = PairSettings()
    pretrain: PretrainSettings = PretrainSettings()
    round1: RoundSettings = RoundSettings()
    round2: RoundSettings = RoundSettings()


def nano_settings(config: Path | None = None) -> NanoSettings:
    """The recipe of the packaged model, with what the YAML file ``config`` sets in it.

    Raises:
        ConfigError: the file cannot be read, or has an unknown key or a value of the wrong type.
    """
    preset = load_preset("nano")
    recipe = {
        # The families' benches are measured by mutants where pairs are published; here that would only take time.
        "pairs": {"pairs": 10_000, "problems": 696, "mutants": 0},
        "round1": preset.round1,
        "round2": preset.round2,
    }
    given = load_settings(NanoSettings, config)
    return NanoSettings.model_validate(merged(recipe, given.model_dump(exclude_unset=True)))


def make_nano(out: Path, settings: NanoSettings, benchmarks: Sequence[Path] = ()) -> None:
    """Run every step that is not finished, then write ``card.md`` beside the stages.

    Args:
        benchmarks: stage folders with a ``problems.jsonl`` (`autovcoder eval problems`). What copies one of their
            problems is left out of the data, and the models are measured on them too.
    """
    from autovcoder.cli.nano_card import card

    simulator = IcarusPool()
    names = [folder.resolve().name for folder in benchmarks]
    if len({"pairs", *names}) <= len(names):
        raise InputError("benchmarks need folders of different names, and none called pairs", where=", ".join(names))
    against = [folder / "problems.jsonl" for folder in benchmarks]
    make_texts(out / "texts", settings.texts, against)
    say("texts: done")
    make_pairs(out / "pairs", settings.pairs, simulator, against)
    simulator.close()  # the trainings that follow need the memory
    say("pairs: done, every one simulated")
    pretrain(out / "texts", out / "base", settings.pretrain)
    say("base model: done")
    round1(str(out / "base"), out / "texts", out / "round1", settings.round1)
    say("round 1: done")
    round2(str(out / "round1"), out / "pairs", out / "round2", settings.round2)
    merge(str(out / "base"), out / "round2", out / "model")
    say("round 2 on round 1: done, and merged")
    round2(str(out / "base"), out / "pairs", out / "round2-only", settings.round2)
    say("round 2 on the base: done")
    _measure(out, benchmarks, simulator)
    write_atomic(out / "card.md", card(out, settings, names))
    say(f"the model is in {out / 'model'}, its card in {out / 'card.md'}")


def install_nano(out: Path) -> None:
    """Copy the finished model and its card into the package."""
    target = Path(str(files("autovcoder") / "assets" / "nano"))
    target.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        shutil.copyfile(out / "model" / name, target / name)
    shutil.copyfile(out / "card.md", target / "README.md")
    say(f"installed: {target}")


def _measure(out: Path, benchmarks: Sequence[Path], simulator: Simulator) -> None:
    from autovcoder.cli.evaluate import evaluate_model
    from eval.suites import load_suite

    for suite in (out / "pairs", *benchmarks):
        problems = load_suite("problems", suite)
        sampling = HELD_OUT if suite == out / "pairs" else BENCHMARK
        for folder in ABLATION.values():
            # The adapter is measured, not what merging and rounding makes of it, except for the model that ships.
            model = out / ("model" if folder == "round2" else folder)
            evaluate_model(
                problems, str(model), None, sampling, eval_folder(out, suite.resolve().name, folder), simulator
            )


def eval_folder(out: Path, suite: str, stage: str) -> Path:
    """Where the run of a model on a suite is; the held-out problems' suite is called ``pairs``."""
    return out / "eval" / f"{suite}-{stage}"
