"""The card of a corpus: where its modules come from, what was dropped on the way, and what they score.

Reads the corpus' shards and the manifests of the stages before; writes ``README.md`` and ``scores.png``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autovcoder.files import write_atomic, writing
from autovcoder.store import Manifest, read_manifest
from data_pipeline.documents import read_columns, shard_rows
from data_pipeline.shards import reasons

CARD, PICTURE = "README.md", "scores.png"
_TITLES = {
    "data.extract": "extracted",
    "data.clean": "cleaned, exact duplicates dropped",
    "data.decontaminate": "decontaminated",
    "data.score": "scored",
    "data.select": "selected, near duplicates dropped",
}
_BINS = 40
_MOST_REPOSITORIES = 20


@dataclass
class Summary:
    """What the shards of a corpus hold."""

    modules: int = 0
    licenses: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    repositories: Counter[str] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)

    def size_at(self, share: float) -> int:
        """The size, in characters, that ``share`` of the modules do not exceed."""
        left = share * self.modules
        for size, count in sorted(self.sizes.items()):
            left -= count
            if left <= 0:
                return size
        return max(self.sizes, default=0)


def write_card(out: Path, scored: Path, stages: Sequence[Path], dropped: Path, threshold: float) -> None:
    """Write the card of the corpus whose shards are in ``out``.

    Args:
        stages: the finished stage folders before this one, in their order; ``scored`` is the last.
        dropped: this stage's ``dropped.jsonl``.
        threshold: modules above it were kept.

    Raises:
        StoreError: a folder is not finished, or the card cannot be written.
    """
    summary = summarise(out)
    manifests = [read_manifest(folder) for folder in stages]
    bins = [0] * _BINS
    for row in read_columns(scored, ["score"]):
        bins[min(int(row["score"] * _BINS / 10), _BINS - 1)] += 1
    _draw(out / PICTURE, bins, threshold)
    write_atomic(out / CARD, card_text(summary, manifests, reasons(dropped), sum(bins), threshold))


def summarise(folder: Path) -> Summary:
    """Count what a corpus' shards hold; keeps counts in memory, no modules."""
    summary = Summary()
    for row in shard_rows(folder, ["license", "language", "repo", "text"]):
        summary.modules += 1
        summary.licenses[row["license"] or "none stated"] += 1
        summary.languages[row["language"]] += 1
        summary.repositories[row["repo"]] += 1
        summary.sizes[len(row["text"])] += 1
    return summary


def card_text(
    summary: Summary, manifests: Sequence[Manifest], dropped: Mapping[str, int], scored: int, threshold: float
) -> str:
    """The card, in Markdown, with the front matter by which `datasets.load_dataset` finds the shards."""
    kept = summary.modules / scored if scored else 0.0
    return f"""\
---
configs:
- config_name: default
  data_files: data/*.parquet
task_categories:
- text-generation
tags:
- verilog
- systemverilog
- rtl
---

# RTL corpus

{summary.modules:,} modules of {len(summary.repositories):,} repositories: {_listed(summary.languages)}.
Half of them have at most {summary.size_at(0.5):,} characters, nine of ten at most {summary.size_at(0.9):,}.
Each row says where its module comes from (`repo`, `commit`, `path`, `first_line`, `last_line`), under which licence
(`license`, SPDX), and what it scores.

    datasets.load_dataset("path/of/this/folder", split="train")

## From repositories to corpus

{_funnel(manifests, summary.modules, dropped)}

Kept: {kept:.1%} of the {scored:,} scored modules, those above {threshold:.2f}. `dropped.jsonl` in the folder of each
stage names every module that left, and why.

![Scores of all modules]({PICTURE})

{_scoring(manifests)}

## Contamination

{_contamination(manifests)}

## Licences

{_table(("licence", "modules"), summary.licenses.most_common())}

What these licences ask for, such as keeping notices, is for those who publish code or a model to see to.

## Repositories

{_table(("repository", "modules"), summary.repositories.most_common(_MOST_REPOSITORIES))}
{_more(summary)}"""


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common())


def _more(summary: Summary) -> str:
    more = len(summary.repositories) - _MOST_REPOSITORIES
    return f"\nand {more:,} more.\n" if more > 0 else ""


def _table(head: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)])


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|").replace("\n", " ")


def _funnel(manifests: Sequence[Manifest], left: int, dropped: Mapping[str, int]) -> str:
    stages = [(m.stage, m.facts.get("modules", ""), m.facts.get("dropped", {})) for m in manifests]
    rows = [
        (_TITLES.get(name, name), modules, ", ".join(f"{why} {count:,}" for why, count in reasons_.items()) or "none")
        for name, modules, reasons_ in [*stages, ("data.select", left, dropped)]
    ]
    return _table(("stage", "modules left", "dropped, by reason"), rows)


def _scoring(manifests: Sequence[Manifest]) -> str:
    manifest = next((m for m in manifests if m.stage == "data.score"), None)
    if manifest is None:
        return ""
    labeller = manifest.config.get("labeller") or ""
    agrees = f"{manifest.facts.get('spearman', 0):.3f}"
    says = f"""\
Scored by `{manifest.facts.get("scorer", "")}`; the rank correlation of its scores with labels of held-out modules is
{agrees}."""
    if labeller.startswith("rubric"):
        says += """
The labels come from rules over the syntax tree: the scores distil those rules, not people's judgement."""
    return says


def _contamination(manifests: Sequence[Manifest]) -> str:
    manifest = next((m for m in manifests if m.stage == "data.decontaminate"), None)
    if manifest is None:
        return "Not compared with any benchmark."
    suites = ", ".join(f"{name} ({count} problems)" for name, count in manifest.facts["problems"].items())
    found = ", ".join(f"{kind} {count}" for kind, count in manifest.facts["matches"].items()) or "none"
    return f"""\
Compared with {suites or "no suite"}. Modules with a match, by their strongest: {found}. All but the trivial ones
were dropped; those are too short for a copy to be told from the one way to write such a circuit, and stay unless the
problem's text stands beside them. `matches.jsonl` of that stage says what matched what."""


def _draw(path: Path, bins: Sequence[int], threshold: float) -> None:
    """The histogram of scores; ``bins`` are of equal width, from 0 to 10."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    width = 10 / len(bins)
    axes.bar([number * width for number in range(len(bins))], bins, width, align="edge")
    axes.axvline(threshold, color="tab:red", linewidth=0.8, label=f"kept above {threshold:.2f}")
    axes.set(xlim=(0, 10), xlabel="score", ylabel="modules")
    axes.legend(loc="upper left")
    with writing(path):
        figure.savefig(path, dpi=120)
