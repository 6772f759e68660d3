"""`autovcoder reproduce`: the paper's ablation as one resumable run, and what goes beyond it.

Reads the stages' models, a library, the suites; trains what the preset says is missing; writes a run's folder for each
arm and suite, and the tables beside the paper's figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autovcoder.cli.report_errors import emit, say
from autovcoder.cli.reproduce_arms import (
    ARMS,
    PRESETS,
    SAMPLING,
    STAGES,
    Arm,
    Preset,
    StageName,
    is_whole,
    stage_models,
)
from autovcoder.errors import InputError, ToolMissing

if TYPE_CHECKING:
    from autovcoder.cli.reproduce_report import Cell
    from autovcoder.models import TextModel
    from autovcoder.records import Problem, Sampling
    from finetune.corpus import Row
    from finetune.round_settings import RoundSettings
    from hdl_sim.icarus_pool import IcarusPool

_COMMITTED = Path("models", "nano")


def reproduce(
    out: Annotated[Path, typer.Option(help="The folder for all runs and the table; resumed.")],
    preset: Annotated[Literal["nano", "paper"], typer.Option(help="The packaged model, or the paper's 7B.")] = "nano",
    stages: Annotated[
        Path | None,
        typer.Option(
            help="Folder with base, round1, round2-only, round2. [default: models/nano; OUT/stages for paper]"
        ),
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="For paper: the scored corpus that round 1 reads.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="For paper: the verified pairs that round 2 reads.")] = None,
    library: Annotated[Path | None, typer.Option(help="For retrieval. [default: as `autovcoder rag`]")] = None,
    verilogeval: Annotated[
        Path | None, typer.Option(help="NVlabs/verilog-eval 1.0.0, its root or data folder.")
    ] = None,
    rtllm: Annotated[Path | None, typer.Option(help="hkust-zhiyao/RTLLM, version 1.1.")] = None,
    problems: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with a problems.jsonl of yours (`data pairs`, `data in-house`); repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first problems of each suite.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Answers to each problem; the paper's are 10.")] = SAMPLING.n,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    plan: Annotated[bool, typer.Option("--plan", help="Say what will be needed, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Measure base, rounds and retrieval as the paper does, then consensus and repair; print the table beside its own.

    An interrupted run goes on where it stopped when the same command is given again.
    """
    from autovcoder.cli.reproduce_report import Reproduction, to_markdown, write
    from hdl_sim.icarus_pool import IcarusPool
    from hdl_sim.tools import find_tool

    find_tool("iverilog")
    chosen = PRESETS[preset]
    if stages is not None and not stages.is_dir() and chosen.rounds is None:
        raise InputError("there is no such folder for --stages", where=stages)
    suites = _suites(verilogeval, rtllm, problems or (), limit)
    sampling = SAMPLING.model_copy(update={"n": n, "seed": seed})
    folder = stages or (_COMMITTED if chosen.rounds is None else out / "stages")
    _say_needs(chosen, sum(map(len, suites.values())), sampling, _corpora(chosen, folder, corpus, pairs))
    if plan:
        return
    if find_spec("matplotlib") is None:
        raise ToolMissing("matplotlib is not installed, which draws the figures", fix="pip install 'autovcoder[rag]'")
    started = time.perf_counter()
    missing = _train(chosen, folder, corpus, pairs) if chosen.rounds else {}
    work = _Work(stage_models(folder, chosen), suites, sampling, library, out, IcarusPool(), _Opened())
    missing |= {name: _why_missing(folder / name) for name in STAGES if name not in work.models | missing}
    if not work.models:
        raise InputError("no stage is there to be measured", where=folder, fix="name their folder with --stages")
    cells = [cell for suite in suites for arm in ARMS if (cell := work.measured(arm, suite)) is not None]
    found = Reproduction(
        preset=preset,
        sampling=f"{n} answers, temperature {sampling.temperature}, top-p {sampling.top_p}, seed {seed}",
        suites=tuple(suites),
        cells=tuple(cells),
        missing=missing,
        seconds=time.perf_counter() - started,
    )
    write(found, out)
    emit(found.model_dump_json(indent=2) + "\n" if as_json else to_markdown(found))
    say(f"the tables are in {out / 'reproduction.md'}, with figures in {out / 'reproduction.html'}")


def _why_missing(stage: Path) -> str:
    return f"{stage} holds no finished model" if stage.is_dir() else f"there is no {stage}"


def _say_needs(preset: Preset, problems: int, sampling: Sampling, corpora: dict[str, tuple[int, float]]) -> None:
    from autovcoder.cli.reproduce_needs import needs, to_text

    say(to_text(needs(preset, problems, sampling, corpora), preset, problems, sampling).rstrip())


def _suites(
    verilogeval: Path | None, rtllm: Path | None, folders: Sequence[Path], limit: int | None
) -> dict[str, list[Problem]]:
    """The problems of each suite, by its name; a folder of the user's is called as it is."""
    from eval.suites import load_suite

    wanted: list[tuple[str, Path | None]] = [("builtin", None)]
    if verilogeval is not None:
        wanted += [("verilogeval-v1-machine", verilogeval), ("verilogeval-v1-human", verilogeval)]
    if rtllm is not None:
        wanted.append(("rtllm-v1.1", rtllm))
    found = {name: load_suite(name, data)[:limit] for name, data in wanted}
    for folder in folders:
        name = folder.resolve().name
        if name in found:
            raise InputError("two suites have one name", where=folder, fix="rename the folder")
        found[name] = load_suite("problems", folder)[:limit]
    return found


def _corpora(preset: Preset, stages: Path, corpus: Path | None, pairs: Path | None) -> dict[str, tuple[int, float]]:
    """The letters of what is still to be trained on, and how often: round 2 is trained twice, on round 1 and alone."""
    from finetune.corpus import read_pairs, read_texts
    from finetune.presets import load_preset, round_settings

    given = {name: folder for name, folder in (("corpus", corpus), ("pairs", pairs)) if folder is not None}
    if preset.rounds is None:
        if given:
            where, fix = ", ".join(f"--{name}" for name in given), "give --preset paper, or leave that out"
            raise InputError(f"the preset {preset.name} trains nothing", where=where, fix=fix)
        return {}
    for name, folder in given.items():
        if not folder.is_dir():
            raise InputError(f"there is no such folder for --{name}", where=folder)
    rounds = load_preset(preset.rounds)
    found = {}
    if corpus is not None and not is_whole(stages / "round1"):
        settings = round_settings(rounds.round1)
        found["corpus"] = _letters(read_texts(corpus)), _epochs(settings)
    times = sum(not is_whole(stages / name) for name in ("round2-only", "round2"))
    if pairs is not None and times:
        settings = round_settings(rounds.round2)
        found["pairs"] = _letters(read_pairs(pairs, settings.context, settings.seed)), times * _epochs(settings)
    return found


def _epochs(settings: RoundSettings) -> float:
    return float(settings.sft.get("num_train_epochs", 1))


def _letters(rows: Iterable[Row]) -> int:
    return sum(len(row["problem"] or "") + len(row["text"]) for row in rows)


def _train(preset: Preset, folder: Path, corpus: Path | None, pairs: Path | None) -> dict[str, str]:
    """Train the adapters that are not there, by the preset; those that need what was not given, and why."""
    from finetune.presets import load_preset, round_settings
    from finetune.rounds import round1, round2

    rounds = load_preset(str(preset.rounds))
    missing: dict[str, str] = {}
    base = stage_models(folder, preset)["base"]
    if corpus is not None:
        round1(base, corpus, folder / "round1", round_settings(rounds.round1))
    elif not is_whole(folder / "round1"):
        missing["round1"] = "it needs --corpus"
    for name, start in (("round2-only", base), ("round2", str(folder / "round1"))):
        if pairs is not None and (start == base or is_whole(folder / "round1")):
            round2(start, pairs, folder / name, round_settings(rounds.round2))
        elif not is_whole(folder / name):
            missing[name] = "it needs --pairs" if pairs is None else "it needs round 1"
    return missing


class _Opened:
    """Opens a model once for arms that follow each other; it goes before the next comes, since two may not fit."""

    def __init__(self) -> None:
        self._last: tuple[str, TextModel] | None = None

    def __call__(self, name: str) -> TextModel:
        from autovcoder.models import open_model

        if self._last is None or self._last[0] != name:
            self._last = None
            self._last = name, open_model(name)
        return self._last[1]


@dataclass(frozen=True)
class _Work:
    """Measures arms; ``models``: of the stages that are there."""

    models: dict[StageName, str]
    suites: dict[str, list[Problem]]
    sampling: Sampling
    library: Path | None
    out: Path
    simulator: IcarusPool
    opened: _Opened

    def folder(self, arm: Arm, suite: str) -> Path:
        return self.out / "runs" / f"{suite}-{arm.folder}"

    def measured(self, arm: Arm, suite: str) -> Cell | None:
        if arm.stage not in self.models:
            return None
        say(f"{suite}: {arm.name}")
        return self._chosen(arm, suite) if arm.chosen else self._asked(arm, suite)

    def _asked(self, arm: Arm, suite: str) -> Cell:
        from autovcoder.cli.evaluate import evaluate_model
        from autovcoder.cli.reproduce_report import Cell
        from autovcoder.cli.retrieval import from_library
        from rag.context import ContextSettings

        settings = ContextSettings(examples=arm.examples, knowledge=arm.knowledge)
        retrieves = arm.examples or arm.knowledge
        retrieval = from_library(self.library, settings, suite=self.suites[suite]) if retrieves else None
        folder = self.folder(arm, suite)
        model = self.models[arm.stage]
        report = evaluate_model(
            self.suites[suite], model, None, self.sampling, folder, self.simulator,
            retrieval=retrieval, load=partial(self.opened, model),
        )  # fmt: skip
        rates = report.raw.overall
        return Cell(
            arm=arm.name,
            suite=suite,
            pass1=rates.function[1],
            pass5=rates.function.get(5),
            syntax=rates.syntax[1],
            folder=str(folder.relative_to(self.out)),
        )

    def _chosen(self, arm: Arm, suite: str) -> Cell:
        from autovcoder.cli.reproduce_report import Cell
        from eval.selection import select_run

        above = _sampled_above(arm)
        folder = self.folder(arm, suite)
        report = select_run(self.folder(above, suite), self.simulator, folder, mend=arm.mended)
        sampled = str(self.folder(above, suite).relative_to(self.out))
        return Cell(arm=arm.name, suite=suite, pass1=report.consensus, folder=sampled)


def _sampled_above(arm: Arm, arms: Sequence[Arm] = ARMS) -> Arm:
    """The last arm above this one that asks the model: its answers are chosen from."""
    return next(other for other in reversed(arms[: arms.index(arm)]) if not other.chosen)
