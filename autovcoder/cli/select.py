"""`autovcoder eval select`: what choosing one answer of several by consensus is worth on a benchmark.

Reads a finished run's folder; writes the selection's folder and prints the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autovcoder.cli.report_errors import emit, say


def select(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The selection's folder. [default: RUN-selected, or RUN-mended]")
    ] = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Mend common slips of what does not compile, by rule, before choosing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Choose an answer to each problem of a run without its testbench, and compare with what the testbench says.

    The chosen answers are in chosen.jsonl of the selection's folder, for `autovcoder eval run --samples`.
    """
    from autovcoder.cli.status_line import StatusLine
    from eval.selection import select_run
    from eval.selection_report import to_text
    from hdl_sim.icarus_pool import IcarusPool
    from hdl_sim.tools import find_tool

    find_tool("iverilog")
    whole = run.resolve()
    folder = out or whole.with_name(f"{whole.name}-{'mended' if mend else 'selected'}")
    line = StatusLine()
    try:
        report = select_run(
            run,
            IcarusPool(),
            folder,
            mend=mend,
            progress=lambda name, done, total: line.show(f"{done} of {total} problems, now {name}"),
        )
    finally:
        line.clear()
    emit(report.model_dump_json(indent=2) + "\n" if as_json else to_text(report))
    say(f"the selection is in {folder}")
