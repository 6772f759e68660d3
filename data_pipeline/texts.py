"""What the first two stages of training read: texts for the base model, good RTL for round 1.

Reads the parametric families; writes ``base.jsonl`` (RTL with slips in it, and problem texts, never a problem with its
answer) and ``rtl.jsonl`` (RTL that the front end accepts) into one stage folder. Held-out designs appear in neither.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from autovcoder.config import Settings
from autovcoder.records import content_id
from autovcoder.store import DROPPED, Manifest, Stage
from data_pipeline.parametric import Design, ParametricTeacher, answer, as_prompt
from data_pipeline.phrasing import interface_text
from data_pipeline.slips import slip
from hdl_sim.slang import read_source


class TextSettings(Settings):
    """``base`` and ``rtl`` count documents; ``slips`` is the share of base RTL that holds a mistake."""

    seed: int = 0
    base: int = 48_000
    rtl: int = 6_000
    slips: float = 0.2


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
    if index % 2:
        text, kind = as_prompt(teacher.draw(random.Random(f"text {settings.seed} {index}"))[1]), "problem"
    else:
        rng = random.Random(f"base {settings.seed} {index}")
        text, kind = _draw_rtl(teacher, rng), "rtl"
        if rng.random() < settings.slips:
            text, kind = slip(text, rng), "rtl with a slip"
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


def _draw_rtl(teacher: ParametricTeacher, rng: random.Random) -> str:
    """One module; most stand under a comment, as RTL in repositories often does.

    The comment lists the generator's parameters, or states the interface in the forms that problems have for it, or
    both; no sentence about the circuit is in it. It is where a model learns that names and facts above a module return
    in it, which no problem text without its answer can teach.
    """
    design, wording = teacher.draw(rng)
    code = answer(design.circuit, wording)
    draw = rng.random()
    lines = _parameters(design) if draw < 0.6 else ""
    if 0.4 < draw < 0.8:
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
