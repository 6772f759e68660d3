"""`autovcoder eval report`: a finished run's page again, and its result for a paper or a leaderboard.

Reads a run's folder; writes report.html into it, and where asked a JSON file; prints a LaTeX row.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from autovcoder.cli.report_errors import emit, say


def report_page(
    folder: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    latex: Annotated[
        bool, typer.Option("--latex", help="Print a row of a LaTeX table: model, suite, pass@1, pass@5, pass@10.")
    ] = False,
    leaderboard: Annotated[Path | None, typer.Option(help="Write the result as a JSON object to this file.")] = None,
) -> None:
    """Write a finished run's report.html again."""
    from autovcoder.files import write_atomic
    from autovcoder.store import read_manifest
    from eval.export import answers_each, latex_row, leaderboard_entry
    from eval.results import read_report, verdicts_in, write_page

    say(f"the page is {write_page(folder)}")
    report = read_report(folder)
    if leaderboard is not None:
        version = read_manifest(folder).versions.get("autovcoder", "")
        entry = leaderboard_entry(report, n=answers_each(verdicts_in(folder)), version=version)
        write_atomic(leaderboard, json.dumps(entry, indent=2) + "\n")
    if latex:
        emit(latex_row(report) + "\n")
