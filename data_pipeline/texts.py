"""What the first two stages of training read: texts for the base model, good RTL for round 1.

Reads the parametric families; writes ``base.jsonl`` (RTL with slips in it, and problem texts, never a request with its
answer) and ``rtl.jsonl`` (RTL that the front end accepts) into one stage folder. Held-out designs appear in neither.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.records import content_id
from autovcoder.store import DROPPED, Manifest, Stage
from data_pipeline.parametric import Design, ParametricTeacher, answer, as_prompt
from data_pipeline.phrasing import documented, interface_text
from data_pipeline.slips import slip
from hdl_sim.slang import read_source


class TextSettings(Settings):
    """What is made.

    Attributes:
        base, rtl: how many documents.
        problems: the share of base documents that are problem texts; ``slips``: of base RTL that holds a mistake.
    """

    seed: int = 0
    base: Annotated[int, Field(ge=0)] = 48_000
    rtl: Annotated[int, Field(ge=0)] = 12_000
    problems: Annotated[float, Field(ge=0, le=1)] = 0.15
    slips: Annotated[float, Field(ge=0, le=1)] = 0.2


def make_texts(out: Path, settings: TextSettings) -> Manifest:
    """Write the stage folder; the same settings give the same bytes.

    Raises:
        StoreError: the folder holds another run's work.
    """
    with Stage(out, "data.texts", config=settings.model_dump(), seed=settings.seed) as stage:
        if stage.manifest:
            return stage.manifest
        teacher = ParametricTeacher()
        # Drawing is fast and every row depends on its index alone: a resumed run draws the missing rows only.
        for index in range(sum(1 for _ in stage.rows("base.jsonl")), settings.base):
            stage.append("base.jsonl", _base_text(teacher, settings, index))
        _write_rtl(stage, teacher, settings)
        return stage.finish()


def _base_text(teacher: ParametricTeacher, settings: TextSettings, index: int) -> dict[str, Any]:
    rng = random.Random(f"base {settings.seed} {index}")
    if rng.random() < settings.problems:
        text, kind = as_prompt(teacher.draw(rng)[1]), "problem"
    elif rng.random() < settings.slips:
        text, kind = _draw_rtl(teacher, rng, lambda code: slip(code, rng)), "rtl with a slip"
    else:
        text, kind = _draw_rtl(teacher, rng), "rtl"
    return {"id": content_id(text), "kind": kind, "text": text}


def _write_rtl(stage: Stage, teacher: ParametricTeacher, settings: TextSettings) -> None:
    done = sum(1 for file in ("rtl.jsonl", DROPPED) for _ in stage.rows(file))
    for index in range(done, settings.rtl):
        text = _draw_rtl(teacher, random.Random(f"rtl {settings.seed} {index}"))
        errors = read_source(text).errors
        if errors:
            stage.drop(content_id(text), f"does not compile: {errors[0].message}")
        else:
            stage.append("rtl.jsonl", {"id": content_id(text), "text": text})


def _draw_rtl(
    teacher: ParametricTeacher, rng: random.Random, changed: Callable[[str], str] = lambda code: code
) -> str:
    """A file of RTL: one module or, one time in twelve, two of a family, each with its comment.

    Args:
        changed: what is done to the code of each module.
    """
    design = teacher.draw_design(rng)
    files = [_commented(design, rng, changed)]
    if rng.random() < 1 / 12:
        files.append(_commented(rng.choice(teacher.train[design.family.name]), rng, changed))
    return "\n".join(files)


def _commented(design: Design, rng: random.Random, changed: Callable[[str], str]) -> str:
    """A module; most stand under a comment, as RTL in repositories often does.

    The comment tells what the circuit is and how it behaves, or lists the generator's parameters and states the
    interface, or one of the two. It is where a model learns that words and names above a module return in it. Nobody is
    asked for anything in it: a request with its answer is for round 2 to show.
    """
    wording = documented(design.circuit, rng)
    code = changed(answer(design.circuit, wording))
    draw = rng.random()
    if draw < 0.7:
        lines = as_prompt(wording) + "\n"
    else:
        lines = _parameters(design) if draw < 0.85 else ""
        if 0.8 < draw < 0.9:
            lines += interface_text(design.circuit, wording, rng) + "\n"
    return _comment(lines, rng) + code


def _parameters(design: Design) -> str:
    """The family and its parameters, such as ``counter: width 8, direction up, reset async_low, no load``."""

    def said(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return name if value else f"no {name}"
        return f"{name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"

    return f"{design.family.name}: {', '.join(said(*item) for item in design.parameters.items())}\n"


def _comment(lines: str, rng: random.Random) -> str:
    """The lines as a comment of one of two kinds; nothing for none."""
    if not lines:
        return ""
    if rng.random() < 0.5:
        return "".join(f"// {line}\n" for line in lines.splitlines())
    return f"/* {lines.rstrip()} */\n"
