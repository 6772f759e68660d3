"""What the first two stages of training read: RTL for the base model, good RTL for round 1.

Reads the parametric families and the problems of benchmarks; writes ``base.jsonl`` (RTL with slips in it),
``rtl.jsonl`` (RTL that the front end accepts) and ``dropped.jsonl`` into one stage folder. Held-out designs appear in
neither, and no text asks for anything: a request with its answer is for round 2.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autovcoder.records import content_id
from autovcoder.store import DROPPED, Manifest, Stage
from data_pipeline.contamination import ContaminationIndex, read_problems
from data_pipeline.house_files import another, as_comment, described, house_file
from data_pipeline.made_up_designs import MadeUpShares, draw_made_up
from data_pipeline.pair_contamination import removal
from data_pipeline.parametric import Design, ParametricTeacher, answer, is_held_out, module_keys
from data_pipeline.phrasing import interface_text, word
from data_pipeline.slips import slip
from hdl_sim.slang import read_source


class TextSettings(MadeUpShares):
    """What is made; by default for two cores and little more than an hour, both rounds included (estimated).

    Attributes:
        base, rtl: how many documents. ``slips``: the share of base RTL of the families that holds a mistake.
        in_house: here of files in which one circuit stands twice or more, in other sizes and under other names, among
            others.
    """

    seed: int = 0
    base: Annotated[int, Field(ge=0)] = 16_000
    rtl: Annotated[int, Field(ge=0)] = 8_000
    slips: Annotated[float, Field(ge=0, le=1)] = 0.2
    made_up: Annotated[float, Field(ge=0, le=1)] = 0.06
    in_house: Annotated[float, Field(ge=0, le=1)] = 0.11


def make_texts(out: Path, settings: TextSettings, against: Sequence[Path] = ()) -> Manifest:
    """Write the stage folder; the same settings give the same bytes.

    Args:
        against: ``problems.jsonl`` files of benchmarks; what copies one of their problems is dropped.

    Raises:
        InputError: a benchmark's file cannot be read. StoreError: the folder holds another run's work.
    """
    against = [Path(file).resolve() for file in against]
    with Stage(
        out,
        "data.texts",
        config=settings.model_dump(),
        seed=settings.seed,
        inputs={f"suite {number}": file for number, file in enumerate(against, start=1)},
    ) as stage:
        if stage.manifest:
            return stage.manifest
        teacher = ParametricTeacher()
        index = ContaminationIndex.from_problems(read_problems(against))
        # Drawing is fast and every row depends on its index alone: a resumed run draws the missing rows only.
        for number in range(_decided(stage, "base.jsonl"), settings.base):
            kind, text = _draw(teacher, random.Random(f"base {settings.seed} {number}"), settings, settings.slips)
            _keep(stage, "base.jsonl", text, _copied(index, text), kind=kind)
        for number in range(_decided(stage, "rtl.jsonl"), settings.rtl):
            _, text = _draw(teacher, random.Random(f"rtl {settings.seed} {number}"), settings, slips=0)
            errors = read_source(text).errors
            fault = f"does not compile: {errors[0].message}" if errors else _copied(index, text)
            _keep(stage, "rtl.jsonl", text, fault)
        return stage.finish()


def _decided(stage: Stage, file: str) -> int:
    """How many texts were written to ``file``, or dropped on the way to it."""
    dropped = sum(1 for row in stage.rows(DROPPED) if row["reason"].startswith(f"{file}: "))
    return dropped + sum(1 for _ in stage.rows(file))


def _copied(index: ContaminationIndex, text: str) -> str | None:
    return removal(index.matches(text)) if len(index) else None


def _keep(stage: Stage, file: str, text: str, fault: str | None, **more: str) -> None:
    if fault:
        stage.drop(content_id(text), f"{file}: {fault}")
    else:
        stage.append(file, {"id": content_id(text), **more, "text": text})


def _draw(teacher: ParametricTeacher, rng: random.Random, settings: TextSettings, slips: float) -> tuple[str, str]:
    """What kind of text it is, and the text."""
    draw = rng.random()
    if draw < settings.in_house:
        return "in-house rtl", house_file(teacher, rng)
    if draw < settings.in_house + settings.made_up:
        return "made-up rtl", described(draw_made_up(rng), rng)
    careless = rng.random() < slips
    changed = functools.partial(slip, rng=rng) if careless else str
    text = _draw_rtl(teacher, rng, changed)
    # A slip makes another design, which may be one that is held out.
    while careless and any(map(is_held_out, module_keys(text))):
        text = _draw_rtl(teacher, rng, changed)
    return "rtl with a slip" if careless else "rtl", text


def _draw_rtl(teacher: ParametricTeacher, rng: random.Random, changed: Callable[[str], str]) -> str:
    """A file of RTL: one module with its comment, or two of a family, one time in twelve where they need no others.

    Args:
        changed: what is done to the code of each module.
    """
    design = teacher.draw_design(rng)
    modules = [_commented(design, rng, changed)]
    if rng.random() < 1 / 12 and not design.circuit.submodules:  # which have one name in all designs
        more = teacher.train[design.family.name]
        modules.append(another(modules, lambda: _commented(rng.choice(more), rng, changed)))
    return "\n".join(modules)


def _commented(design: Design, rng: random.Random, changed: Callable[[str], str]) -> str:
    """A module; most stand under a comment, as RTL in repositories often does.

    The comment tells what the circuit is and how it behaves, or lists the generator's parameters and states the
    interface, or one of the two. It is where a model learns that words and names above a module return in it. What it
    tells is what a problem of round 2 tells, in two of the six registers; but it asks for no module, name, header or
    language, and shows no module that is to be used or mended.
    """
    wording = word(design.circuit, rng, documentation=True)
    code = changed(answer(design.circuit, wording))
    draw = rng.random()
    if draw < 0.7 and "endmodule" not in wording.text:
        lines = wording.text + "\n"
    else:
        lines = _parameters(design) if draw < 0.85 else ""
        if 0.8 < draw < 0.9:
            lines += interface_text(design.circuit, wording, rng) + "\n"
    return as_comment(lines, rng) + code


def _parameters(design: Design) -> str:
    """The family and its parameters, such as ``counter: width 8, direction up, reset async_low, no load``."""

    def said(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return name if value else f"no {name}"
        return f"{name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"

    return f"{design.family.name}: {', '.join(said(*item) for item in design.parameters.items())}\n"
