"""A run as one HTML file that needs nothing else: scores, failures by class, and every answer with its evidence.

Reads a report, problems, samples, verdicts and waveforms, and the template in ``assets/``; returns the page's text.
A model's output is hostile here too: it enters the page as escaped text or as JSON that the page's script shows as
text, and a content security policy allows that one script and no address.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autovcoder.records import Problem, Sample, Verdict, Waveform
from eval.failures import failure_class
from eval.report import Key, Rate, Report
from hdl_sim.tokens import plain_lines

ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("text.js", "waveform.js", "answer.js", "page.js")
# Characters of one text; what is longer loses its end, and the page says so. A usual answer has 2,000.
_LONGEST = {"spec": 20_000, "interface": 10_000, "code": 40_000, "raw": 20_000, "log": 8_000}
# Control characters, and those that reorder text: what is shown must be what is there.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Bar(NamedTuple):
    """One row of a table of rates."""

    label: str
    rate: Rate


class Score(NamedTuple):
    """Pass@k of function: over all problems, and over those that can pass here; ``syntax`` is over all problems."""

    label: str
    raw: Rate
    passable: Rate | None
    syntax: Rate


class Failures(NamedTuple):
    """The answers that failed in one way."""

    status: str
    reason: str
    answers: int
    problems: int


def to_html(
    report: Report,
    problems: Sequence[Problem],
    samples: Sequence[Sample],
    verdicts: Mapping[Key, Verdict],
    waves: Mapping[Key, Waveform],
    *,
    version: str,
) -> str:
    """The page of a run.

    Args:
        samples: all answers; those without a verdict are left out, as they are in the report.
        version: of this package, as it scored.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return environment.get_template("page.html").render(
        facts=[(name, clean(text)) for name, text in _facts(report, version)],
        title=clean(f"{report.suite}: {_model(report)}"),
        suite=clean(report.suite),
        model=clean(_model(report)),
        scores=_scores(report),
        verdicts=[Bar(status, rate) for status, rate in report.by_status.items()],
        categories=[
            Bar(clean(name), rates.function[1]) for name, rates in report.raw.by_category.items() if rates.function
        ],
        failures=_failures(verdicts),
        passable=report.passable.overall.problems,
        cannot_pass=[(clean(name), clean(reason)) for name, reason in report.cannot_pass.items()],
        unanswered=[clean(name) for name in report.unanswered],
        data=_data(problems, samples, verdicts, waves),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _scores(report: Report) -> list[Score]:
    """The rates at the head of the page."""
    raw, passable = report.raw.overall, report.passable.overall
    return [Score(f"pass@{k}", rate, passable.function.get(k), raw.syntax[k]) for k, rate in raw.function.items()]


def _model(report: Report) -> str:
    return str(report.source.get("model", "answers"))


def _facts(report: Report, version: str) -> list[tuple[str, str]]:
    settings = {key: value for key, value in report.source.items() if key != "model"}
    return [
        ("suite", report.suite),
        ("suite hash", report.suite_hash),
        ("answers from", _model(report)),
        *((key.replace("_", " "), str(value)) for key, value in settings.items()),
        ("decided by", report.simulator),
        ("rule", "VerilogEval v1's own (official)" if report.rule == "official" else "each problem's own"),
        ("problems", str(report.problems)),
        ("answers", str(report.answers)),
        ("scored with", f"AutoVCoder {version}"),
    ]


def _failures(verdicts: Mapping[Key, Verdict]) -> list[Failures]:
    """How answers failed, the most frequent way first."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (problem_id, _), verdict in verdicts.items():
        if not verdict.passed:
            found[verdict.status, failure_class(verdict)].append(problem_id)
    rows = [Failures(status, clean(why), len(ids), len(set(ids))) for (status, why), ids in found.items()]
    return sorted(rows, key=lambda row: (-row.answers, row.status, row.reason))


def _data(
    problems: Sequence[Problem],
    samples: Sequence[Sample],
    verdicts: Mapping[Key, Verdict],
    waves: Mapping[Key, Waveform],
) -> dict[str, Any]:
    """What the script shows on demand; see ``answer.js`` for how."""
    answered = {problem_id for problem_id, _ in verdicts}
    shown = [problem for problem in problems if problem.id in answered]
    places = {problem.id: place for place, problem in enumerate(shown)}
    answers = [
        _answer(places[sample.problem_id], sample, verdicts[key], waves.get(key))
        for sample in samples
        if (key := (sample.problem_id, sample.index)) in verdicts and sample.problem_id in places
    ]
    return {
        "problems": [
            {
                "id": clean(problem.id),
                "category": clean(problem.category),
                "spec": short("spec", problem.spec),
                "interface": short("interface", problem.interface or ""),
            }
            for problem in shown
        ],
        "answers": answers,
    }


def _answer(problem: int, sample: Sample, verdict: Verdict, wave: Waveform | None) -> dict[str, Any]:
    code = plain_lines(sample.code or "")
    return {
        "problem": problem,
        "index": sample.index,
        "status": verdict.status,
        "stage": verdict.stage,
        "why": clean(failure_class(verdict)),
        "mismatches": verdict.mismatches,
        "samples": verdict.samples,
        "seconds": verdict.seconds,
        "code": short("code", code),
        "raw": None if sample.raw == sample.code else short("raw", sample.raw),
        "log": short("log", verdict.log_tail),
        "diagnostics": [
            {**item.model_dump(exclude_none=True), "message": clean(item.message)} for item in verdict.diagnostics[:200]
        ],
        "wave": None if wave is None else _clean_names(wave).model_dump(mode="json"),
    }


def _clean_names(wave: Waveform) -> Waveform:
    signals = tuple(signal.model_copy(update={"name": clean(signal.name)}) for signal in wave.signals)
    return wave.model_copy(update={"signals": signals})


def short(what: str, text: str) -> str:
    """A text as a page shows it, cut where it is longer than its kind may be (``spec``, ``code``, ``raw``, ``log``)."""
    longest = _LONGEST[what]
    text = clean(text)
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n[{len(text) - longest:,} more characters are not in this page]"


def clean(text: str) -> str:
    """A text in which every character that hides or reorders others is shown as such."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", plain_lines(text))


def _hash(text: str) -> str:
    """How a content security policy names a script or a style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def waves_from_rows(rows: Iterable[Mapping[str, Any]]) -> dict[Key, Waveform]:
    """The waveforms in the rows of waves.jsonl."""
    return {
        (row["problem_id"], row["index"]): Waveform.model_validate(row["waveform"])
        for row in rows
        if row["waveform"] is not None
    }
