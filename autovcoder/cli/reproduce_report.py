"""The ablation's tables beside the paper's figures, as Markdown, JSON and one HTML page with figures.

Reads what each arm came to on each suite; writes text.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from autovcoder.cli.reproduce_arms import ARMS, PUBLISHED_SUITES
from autovcoder.records import Record
from eval.report import Rate, table

_TEMPLATE = "reproduce.html"
NOTES = (
    "The paper's figures are those of CodeQwen1.5-7B; its only pass@1 is that with both retrievers.",
    "From consensus on, one answer a problem is chosen without its testbench; pass@1 is the share that passes.",
)


class Cell(Record):
    """What an arm came to on a suite; of an arm that chooses, ``pass1`` is the share of problems whose choice passes.

    Attributes:
        folder: of the run, below the reproduction's.
    """

    arm: str
    suite: str
    pass1: Rate
    pass5: Rate | None = None
    syntax: Rate | None = None
    folder: str = ""


class Reproduction(Record):
    """The whole table.

    Attributes:
        missing: stages whose arms were left out, and why.
        seconds: of the last run alone; what an interrupted one had finished before is not in it.
    """

    preset: str
    sampling: str
    suites: tuple[str, ...]
    cells: tuple[Cell, ...]
    missing: dict[str, str] = {}  # noqa: RUF012 - a record's default is copied
    seconds: float = 0.0

    def cell(self, arm: str, suite: str) -> Cell | None:
        return next((cell for cell in self.cells if (cell.arm, cell.suite) == (arm, suite)), None)


def to_markdown(found: Reproduction) -> str:
    """A table for each suite: a row an arm, with pass@1 and pass@5, syntax, and what the paper published."""
    left = [f"- {name}: {reason}" for name, reason in found.missing.items()]
    lines = [
        f"# The paper's ablation, reproduced: {found.preset}",
        "",
        f"Sampling: {found.sampling}. Per cent, with 95 % intervals bootstrapped over problems; over all problems.",
    ]
    for suite in found.suites:
        lines += ["", f"## {suite}", "", *table(_head(suite), _rows(found, suite))]
    lines += ["", *NOTES]
    return "\n".join([*lines, *(["", "Left out:", *left] if left else []), ""])


def _head(suite: str) -> list[str]:
    published = ["paper, pass@5", "paper, pass@1"] if suite in PUBLISHED_SUITES else []
    return ["", "pass@1", "pass@5", "syntax", *published]


def _rows(found: Reproduction, suite: str) -> list[list[str]]:
    """A suite's table, below its head."""
    rows = []
    for arm in ARMS:
        if cell := found.cell(arm.name, suite):
            row = [arm.name, *map(_shown, (cell.pass1, cell.pass5, cell.syntax))]
            published = (arm.published.get(suite), arm.published_pass1.get(suite))
            rows.append(row + [f"{value:.1f}" if value else "" for value in published if suite in PUBLISHED_SUITES])
    return rows


def _shown(rate: Rate | None) -> str:
    return "" if rate is None else f"{100 * rate.value:.1f} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def to_html(found: Reproduction) -> str:
    """One page that needs nothing else: the table, and a figure for each suite."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("autovcoder", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(_TEMPLATE).render(
        found=found,
        notes=NOTES,
        suites=[
            {"name": suite, "head": _head(suite), "rows": _rows(found, suite), "figure": _figure(found, suite)}
            for suite in found.suites
        ],
    )


def _figure(found: Reproduction, suite: str) -> str:
    """Pass@1 of every arm on one suite with its interval, and the published pass@5 beside ours, as SVG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    arms = [(arm, cell) for arm in ARMS if (cell := found.cell(arm.name, suite))]
    figure = Figure(figsize=(7.5, 0.9 + 0.42 * len(arms)), layout="constrained")
    axes = figure.subplots()
    for place, (arm, cell) in enumerate(reversed(arms)):
        _point(axes, place + 0.15, cell.pass1, "#1f4e79")
        if cell.pass5:
            _point(axes, place - 0.15, cell.pass5, "#7a9cc0")
        if published := arm.published.get(suite):
            axes.plot([published / 100], [place - 0.15], "x", color="#b03030")
    axes.set_yticks(range(len(arms)), [arm.name for arm, _ in reversed(arms)])
    axes.set_xlim(0, 1)
    axes.set_xlabel("dark: pass@1, light: pass@5, cross: pass@5 of the paper's 7B model")
    axes.grid(axis="x", alpha=0.3)
    text = StringIO()
    # The same figure has the same bytes.
    with mpl.rc_context({"svg.hashsalt": suite}):
        FigureCanvasSVG(figure)
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _point(axes: object, place: float, rate: Rate, colour: str) -> None:
    errors = [[rate.value - rate.low], [rate.high - rate.value]]
    axes.errorbar(rate.value, place, xerr=errors, fmt="o", color=colour, capsize=3)  # type: ignore[attr-defined]


def write(found: Reproduction, out: Path) -> None:
    """Write reproduction.json, .md and .html."""
    from autovcoder.files import write_atomic

    write_atomic(out / "reproduction.json", found.model_dump_json(indent=2) + "\n")
    write_atomic(out / "reproduction.md", to_markdown(found))
    write_atomic(out / "reproduction.html", to_html(found))
