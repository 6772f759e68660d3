"""`autovcoder eval compare`: whether one run is better than another, and on which problems.

Reads two finished run folders; prints the comparison to stdout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autovcoder.cli.report_errors import emit


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a finished run.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of another one.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare two runs on the same problems: both pass rates, the paired difference, and the problems that changed."""
    from eval.compare import compare_runs, to_text

    comparison = compare_runs(a, b)
    emit(comparison.model_dump_json(indent=2) + "\n" if as_json else to_text(comparison))
