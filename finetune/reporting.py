"""What a training measured, as Markdown for a person: numbers with their intervals, and texts that cannot break a page.

Reads the rows of ``validation.jsonl`` and a run's ``report.json``; writes nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.files import sha256_file
from autovcoder.models.weights import weights_id
from autovcoder.store import read_manifest

_Z = 1.959964  # of the normal distribution, for 95 %


def validation_table(rows: Sequence[Mapping[str, Any]], kept: int | None) -> list[str]:
    """The validations of a training as Markdown, or nothing where there were none; ``kept`` is the step chosen."""
    if not rows:
        return []
    table = [
        "",
        "Validated in training with one greedy answer a problem, decided by simulation. The checkpoint was chosen by "
        "these problems, so their pass rate is no measurement of the model.",
        "",
        "| step | passed | pass@1 | 95 % interval | compiled |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = wilson(row["passed"], row["count"])
        step = f"{row['step']} (kept)" if row["step"] == kept else row["step"]
        rates = f"{row['pass_rate']:.3f} | {low:.3f} to {high:.3f} | {row['syntax_rate']:.3f}"
        table.append(f"| {step} | {row['passed']} of {row['count']} | {rates} |")
    return [*table, ""]


def wilson(passed: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, ``passed`` of ``count`` (Wilson, "Probable inference", 1927); ``count`` above 0."""
    share, square = passed / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def evaluation_table(model: Path | str, evaluation: Path) -> list[str]:
    """The pass rates of a finished run of ``autovcoder eval run`` with ``model``, as Markdown.

    Args:
        model: the folder whose weights answered, a round's with its base, which the run knows by their hash; or a hub's
            id.

    Raises:
        StoreError: the run is not finished. InputError: its report was changed, or is of another model.
    """
    made, path = read_manifest(evaluation), Path(evaluation) / "report.json"
    if made.stage != "eval.run" or made.sha256.get(path.name) != sha256_file(path):
        raise InputError("not the report that `autovcoder eval run` wrote", where=path, fix="evaluate the model anew")
    report = json.loads(path.read_text(encoding="utf-8"))
    source = report["source"]
    if isinstance(model, Path):
        is_this = source.get("weights") == weights_id(model)
    else:
        is_this = source.get("model") == model and not {"weights", "endpoint"} & set(source)
    if not is_this:
        raise InputError("the evaluation is of another model", where=path, fix=f"evaluate {model} on this machine")
    if report["waiting"] is not None:
        raise InputError("the evaluation is not finished", where=path, fix="run it again")
    table = [
        f"| {which} | {report[key]['overall']['problems']} | {kind} pass@{plain(k)} | {rate['value']:.3f} "
        f"| {rate['low']:.3f} to {rate['high']:.3f} |"
        for key, which in (("raw", "all"), ("passable", "those that can be passed"))
        for kind in ("function", "syntax")
        for k, rate in report[key]["overall"][kind].items()
    ]
    suite = f"{plain(report['suite'])} (sha256 `{plain(report['suite_hash'])}`)"
    how = listed({key: value for key, value in source.items() if key not in ("model", "weights")})
    rule = "each problem's own rule" if report["rule"] == "ours" else f"the {plain(report['rule'])} rule"
    return [
        "## Measured",
        "",
        f"{suite}, decided by simulation with {plain(report['simulator'])} and {rule}; {how}. Intervals are "
        "bootstrapped over the problems.",
        "",
        "| problems | count | score | value | 95 % interval |",
        "|---|---|---|---|---|",
        *table,
        "",
    ]


def listed(values: Mapping[str, Any]) -> str:
    """``key value`` by ``key value``, numbers to read and texts as code."""
    return ", ".join(f"{plain(key).replace('_', ' ')} {_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(sorted(plain(one) for one in value)) if isinstance(value, list) else plain(value)


def plain(text: Any) -> str:
    """One line that neither ends a table's cell nor opens a tag, code or a link with a text of its own.

    Its looks may change (``_so_``), and a bare address becomes a link, as anywhere on the hub.
    """
    return re.sub(r"([|\[\]<>`*\\])", r"\\\1", " ".join(str(text).split()))
