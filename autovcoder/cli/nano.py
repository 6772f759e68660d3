"""The packaged model, made again by one command: data, base model, the rounds of the ablation, measurement, card.

Reads nothing but its settings and, where given, benchmarks; writes one stage folder a step below the run's folder, each
resumed or passed over when it is there, and at the end a model card with the figures of that very run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from autovcoder.cli.report_errors import say
from autovcoder.config import Settings, load_settings, merged
from autovcoder.errors import AutoVCoderError, InputError, StoreError
from autovcoder.files import PARTIAL, replace_folder, write_atomic
from autovcoder.records import Sampling
from data_pipeline.pairs import PairSettings, make_pairs
from data_pipeline.texts import TextSettings, make_texts
from finetune.merge import merge
from finetune.presets import load_preset, over_preset
from finetune.pretrain import PretrainSettings, pretrain, training_arguments
from finetune.round_settings import check_round
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
        "pairs": {"pairs": 7_000, "problems": 696, "mutants": 0, "made_up": 0.1, "in_house": 0.2},
        "round1": preset.round1,
        "round2": preset.round2,
    }
    own = load_settings(NanoSettings, config).model_dump(exclude_unset=True)
    rounds = {name: over_preset(recipe[name], own.get(name, {})) for name in ("round1", "round2")}
    return NanoSettings.model_validate(merged(recipe, own) | rounds)


def check_settings(out: Path, settings: NanoSettings) -> None:
    """Refuse now, and not when the data and a base model have been made, what a training would refuse.

    Raises:
        ConfigError: a setting is unknown, or a value is refused. InputError: there are no problems to validate with, or
            they are those of the measurement. ToolMissing: something that the settings ask for is not installed.
    """
    training_arguments(out / "base", settings.pretrain)
    rounds: tuple[tuple[str, RoundSettings, str | None], ...] = (
        ("round1", settings.round1, None),
        ("round2", settings.round2, "round1"),
    )
    for name, one, below in rounds:
        with _of_section(name):
            check_round(one, out / name, below)
            problems = one.validation.problems
            if problems is not None and problems.resolve() == (out / "pairs" / "problems.jsonl").resolve():
                what, fix = "the models are measured on these problems", "give others; see docs/train.md"
                raise InputError(what, where="validation.problems", fix=fix)


@contextmanager
def _of_section(name: str) -> Iterator[None]:
    """Errors inside name the section too: both rounds have settings of the same names."""
    try:
        yield
    except AutoVCoderError as error:
        raise type(error)(error.what, where=f"{name}: {error.where}", fix=error.fix) from None


def make_nano(out: Path, settings: NanoSettings, benchmarks: Sequence[Path] = ()) -> None:
    """Run every step that is not finished, then write ``card.md`` beside the stages.

    Args:
        benchmarks: stage folders with a ``problems.jsonl`` (`autovcoder eval problems`). What copies one of their
            problems is left out of the data, and the models are measured on them too.
    """
    from autovcoder.cli.nano_card import card

    check_settings(out, settings)
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
    """Copy the finished model and its card into the package, in place of what is there.

    Raises:
        StoreError: a file is missing, or the package cannot be written.
    """
    target = Path(str(files("autovcoder") / "assets" / "nano"))
    _install(out, target)
    say(f"installed: {target}")


def _install(out: Path, target: Path) -> None:
    made = target.with_name(f".{target.name}{PARTIAL}")
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for name in MODEL_FILES:
            shutil.copyfile(out / "model" / name, made / name)
        shutil.copyfile(out / "card.md", made / "README.md")
        replace_folder(made, target)
    except OSError as error:
        fix = f"{error.filename or made}: {error.strerror}"
        raise StoreError("the model cannot be installed", where=target, fix=fix) from None


def _measure(out: Path, benchmarks: Sequence[Path], simulator: Simulator) -> None:
    from autovcoder.cli.evaluate import evaluate_model
    from eval.suites import load_suite

    for suite in (out / "pairs", *benchmarks):
        problems = load_suite("problems", suite)
        sampling = HELD_OUT if suite == out / "pairs" else BENCHMARK
        for folder in ABLATION.values():
            # Of the model that ships, the merged weights are measured; of the others, the adapter on its base.
            model = out / ("model" if folder == "round2" else folder)
            evaluate_model(
                problems, str(model), None, sampling, eval_folder(out, suite.resolve().name, folder), simulator
            )


def eval_folder(out: Path, suite: str, stage: str) -> Path:
    """Where the run of a model on a suite is; the held-out problems' suite is called ``pairs``."""
    return out / "eval" / f"{suite}-{stage}"
