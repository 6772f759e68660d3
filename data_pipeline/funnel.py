"""What became of the drafts, step by step: how many reached each, why they left, and which ones.

Reads what a verification decided; writes the funnel as JSON-like data and as a page of Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_pipeline.verification_steps import STEPS

_SHOWN_IDS = 12


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one draft.

    Attributes:
        step: where it left, empty where it was kept; ``code``: why.
        marked_correct: what the input says of it, None where nothing. ``model``: what asking its model came to, empty
            where it was not asked.
        rebuilt: kept on the bench rebuilt from its model; ``excused``: what its own bench would have been dropped for.
    """

    id: str
    step: str = ""
    code: str = ""
    marked_correct: bool | None = None
    model: str = ""
    rebuilt: bool = False
    excused: str = ""


def funnel(fates: Sequence[Fate]) -> dict[str, Any]:
    """The funnel of all drafts, and of those that the input marks as correct where it marks any."""
    marked = [fate for fate in fates if fate.marked_correct]
    whole = _counts(fates) | {"models": _grouped({fate.id: fate.model for fate in fates if fate.model})}
    return whole | ({"marked_correct": _counts(marked)} if marked else {})


def _counts(fates: Sequence[Fate]) -> dict[str, Any]:
    kept = [fate for fate in fates if not fate.step]
    steps = []
    reached = len(fates)
    for step in STEPS:
        left = {fate.id: fate.code for fate in fates if fate.step == step}
        steps.append({"step": step, "reached": reached, "dropped": len(left), "reasons": _grouped(left)})
        reached -= len(left)
    return {
        "drafts": len(fates),
        "kept": len(kept),
        "kept_on_a_rebuilt_bench": sum(fate.rebuilt for fate in kept),
        "kept_though": _grouped({fate.id: fate.excused for fate in kept if fate.excused}),
        "kept_ids": [fate.id for fate in kept],
        "steps": steps,
    }


def _grouped(codes: Mapping[str, str]) -> dict[str, list[str]]:
    """Code to ids, the most frequent code first."""
    groups: dict[str, list[str]] = {}
    for name, code in codes.items():
        groups.setdefault(code, []).append(name)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def as_page(found: Mapping[str, Any]) -> str:
    """The funnel as Markdown: a row for each step, and one for each reason."""
    marked = found.get("marked_correct")
    lines = [f"# {found['kept']:,} of {found['drafts']:,} drafts are kept", ""]
    lines += [f"{found['kept_on_a_rebuilt_bench']:,} of them on a testbench rebuilt from their Python model."]
    excused = sum(map(len, found["kept_though"].values()))
    if excused:
        lines += [f"{excused:,} of them have a testbench of their own that proves nothing or that the design fails."]
    if marked:
        share = 100 * marked["kept"] / marked["drafts"]
        lines += [f"Of {marked['drafts']:,} that came marked as correct {marked['kept']:,} are kept ({share:.1f} %)."]
    lines += ["", "| step | reached | left here | of those marked correct |", "|---|---:|---:|---:|"]
    for place, step in enumerate(found["steps"]):
        of_marked = f"{marked['steps'][place]['dropped']:,}" if marked else ""
        lines.append(f"| {step['step']} | {step['reached']:,} | {step['dropped']:,} | {of_marked} |")
    lines += ["", "| step | reason | drafts | which |", "|---|---|---:|---|"]
    for step in found["steps"]:
        lines += [
            f"| {step['step']} | `{code}` | {len(ids):,} | {_some(ids)} |" for code, ids in step["reasons"].items()
        ]
    if found["models"]:
        lines += ["", "| the Python model | drafts | which |", "|---|---:|---|"]
        lines += [f"| `{code}` | {len(ids):,} | {_some(ids)} |" for code, ids in found["models"].items()]
    return "\n".join(lines) + "\n"


def _some(ids: Sequence[str]) -> str:
    # An id of a foreign file may hold anything; a page must stay one.
    shown = [name.replace("|", "/").replace("`", "'").replace("\n", " ")[:48] for name in ids[:_SHOWN_IDS]]
    return ", ".join(shown) + (f" and {len(ids) - _SHOWN_IDS:,} more" if len(ids) > _SHOWN_IDS else "")
