"""The card of a trained scorer: how it was trained, what it is worth, and a picture of its calibration.

Reads a scorer's folder (``config.json``, ``held_out.jsonl``); writes ``README.md`` and ``calibration.png`` into it.
"""

from __future__ import annotations

from pathlib import Path

from autovcoder.files import read_jsonl, write_atomic, writing
from data_pipeline.scorer import PREDICTED, ScorerConfig, read_config
from data_pipeline.scorer_metrics import KEEP_ABOVE, Agreement

CARD, PICTURE = "README.md", "calibration.png"


def write_card(folder: Path) -> None:
    """Write the card and the picture of a scorer that `data_pipeline.scorer.train_scorer` left in ``folder``.

    Raises:
        StoreError: there is no scorer, or the files cannot be written.
        InputError: the held-out predictions cannot be read.
    """
    config = read_config(folder)
    _draw(folder, config.held_out)
    write_atomic(folder / CARD, card_text(config))


def card_text(config: ScorerConfig) -> str:
    """The card, in Markdown."""
    train, check, held_out = config.modules
    by_rules = config.labels.startswith("rubric-")
    origin = (
        "The labels come from rules (`data_pipeline/rubric.py`), so this scorer distils those rules. Neither has been "
        "compared with the judgement of people."
        if by_rules
        else "The labels come from a language model. They have not been compared with the judgement of people."
    )
    return f"""\
# Code scorer

Grades a module of Verilog or SystemVerilog from 0 to 10 on {", ".join(c.replace("_", " ") for c in config.criteria)};
its score is their mean. A frozen sentence encoder ({config.encoder["name"]}, weights `{config.encoder["sha256"][:16]}`)
reads the module window by window; a perceptron with a hidden layer of {config.settings.hidden} reads the pooled vector.
After the code scorer of AutoVCoder (arXiv 2407.18333), which keeps what scores above {KEEP_ABOVE}.

## Labels

Graded by `{config.labels}`. {origin}

## Training

{train} modules trained on, {check} to end the training, {held_out} held out, from {config.repositories} repositories.
Modules that are nearly the same, numbers in them aside, are all in one of the three parts. Seed {config.settings.seed}.

## Agreement with the labels on held-out modules

{_table(config)}

Known repositories: no held-out module is a near duplicate of one trained on, but its repository may be known. New
repositories: a second scorer, trained the same way without any module of the repositories that it is measured on.
Of these, copies elsewhere are left out of the training too. Intervals are of 95 % (bootstrap over groups of near
duplicates, or over repositories).

![Predicted score and label of the held-out modules]({PICTURE})

## Limits

- The encoder sees words, not layout: white space is invisible to it, and with most encoders so is case.
- The network predicts means, so its scores are spread less than the labels: the two shares above {KEEP_ABOVE} differ.
- Form is graded, not function: a tidy module that computes the wrong thing scores high.
- Code unlike the repositories trained on is graded worse than the first column says; see the second.
"""


def _table(config: ScorerConfig) -> str:
    columns = [("known repositories", config.held_out), ("new repositories", config.other_repositories)]
    there = [(title, found) for title, found in columns if found is not None]
    rows: dict[str, list[str]] = {
        "modules": [str(a.modules) for _, a in there],
        "Spearman's correlation": [
            f"{a.spearman:.3f} ({a.spearman_95[0]:.3f} to {a.spearman_95[1]:.3f})" for _, a in there
        ],
        "mean absolute error": [f"{a.mean_error:.2f}" for _, a in there],
        f"labels above {KEEP_ABOVE}": [f"{a.kept[0]:.1%}" for _, a in there],
        f"predictions above {KEEP_ABOVE}": [f"{a.kept[1]:.1%}" for _, a in there],
        "of those, labels above it too": [_percent(a.precision) for _, a in there],
        "labels above it that are found": [_percent(a.recall) for _, a in there],
    }
    for name in config.criteria:
        rows[f"Spearman, {name.replace('_', ' ')}"] = [f"{a.criteria[name]:.3f}" for _, a in there]
    lines = ["| | " + " | ".join(title for title, _ in there) + " |", "|---" * (len(there) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _draw(folder: Path, found: Agreement) -> None:
    """Predictions against labels, and the means of their deciles: on the diagonal where the scorer is calibrated."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = list(read_jsonl(folder / PREDICTED))
    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter([r["predicted"] for r in rows], [r["label"] for r in rows], s=6, alpha=0.25, linewidths=0)
    axes.plot(*zip(*found.deciles, strict=True), "o-", color="black", label="means of the deciles")
    axes.plot([0, 10], [0, 10], ":", color="grey", label="equal")
    axes.axvline(KEEP_ABOVE, color="tab:red", linewidth=0.8, label=f"kept above {KEEP_ABOVE}")
    axes.set(xlim=(0, 10), ylim=(0, 10), xlabel="predicted score", ylabel="label", aspect="equal")
    axes.set_title(f"{found.modules} held-out modules, Spearman {found.spearman:.3f}")
    axes.legend(loc="upper left")
    with writing(folder / PICTURE):
        figure.savefig(folder / PICTURE, dpi=120)
