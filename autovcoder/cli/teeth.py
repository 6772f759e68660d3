"""`autovcoder eval teeth`: how many mutants of each reference a benchmark's testbenches kill.

Reads a benchmark's files; writes the measurement's folder, and prints the testbenches that miss mutants.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autovcoder.cli.report_errors import emit, say

if TYPE_CHECKING:
    from autovcoder.records import Problem
    from eval.teeth import BenchTeeth, SuiteTeeth

THRESHOLD = 0.8
_SURVIVORS = 5


def register(app: typer.Typer) -> None:
    """Add the command to ``autovcoder eval``."""
    app.command("teeth")(teeth)


def teeth(
    suite: Annotated[str, typer.Option(help="A suite that `autovcoder eval suites` lists.")],
    data: Annotated[Path | None, typer.Option(help="Folder with the suite's files.")] = None,
    problem: Annotated[list[str] | None, typer.Option(help="Only this problem; may be given again.")] = None,
    mutants: Annotated[int, typer.Option(min=1, max=1000, help="Mutants of each reference.")] = 24,
    seed: Annotated[str, typer.Option(help="Of the draw of the mutants.")] = "",
    threshold: Annotated[float, typer.Option(min=0, max=1, help="List testbenches that kill less.")] = THRESHOLD,
    out: Annotated[Path | None, typer.Option(help="Folder for the result; an interrupted run resumes there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Break every reference in small ways, and list the testbenches that do not notice.

    Mutants that are proven to be the same circuit as their reference count for nothing.
    """
    from autovcoder.cli.status_line import StatusLine
    from eval.suites import load_suite
    from eval.teeth import measure_suite
    from hdl_sim.icarus_pool import IcarusPool
    from hdl_sim.tools import find_tool

    find_tool("yosys")
    chosen = _chosen(load_suite(suite, data), problem or [])
    line = StatusLine()
    try:
        result = measure_suite(
            chosen,
            IcarusPool(),
            count=mutants,
            seed=seed,
            out=out,
            progress=lambda name, done, total: line.show(f"{done} of {total} testbenches measured, now {name}"),
        )
    finally:
        line.clear()
    emit(_as_json(result) if as_json else _as_text(result, threshold))
    if out is not None:
        say(f"the measurement is in {out}")


def _chosen(problems: list[Problem], wanted: list[str]) -> list[Problem]:
    from autovcoder.errors import InputError

    missing = sorted(set(wanted) - {problem.id for problem in problems})
    if missing:
        raise InputError("the suite has no such problem", where=missing[0], fix="see its ids in `autovcoder eval run`")
    return [problem for problem in problems if problem.id in wanted] if wanted else problems


def _as_json(result: SuiteTeeth) -> str:
    rows = [{**row.model_dump(mode="json"), "rate": row.rate} for row in result.problems]
    whole = {**result.model_dump(mode="json"), "problems": rows, "totals": result.totals, "rate": result.rate}
    return json.dumps(whole, indent=2) + "\n"


def _as_text(result: SuiteTeeth, threshold: float) -> str:
    totals = result.totals
    lines = [
        f"suite       {result.suite}",
        f"simulator   {result.simulator}, {result.prover}",
        f"problems    {len(result.problems)} measured, {len(result.skipped)} skipped",
        f"mutants     {', '.join(f'{count} {name}' for name, count in totals.items())}",
        f"kill rate   {_percent(result.rate)} of those that are not proven equivalent",
    ]
    weak = result.below(threshold)
    lines += ["", f"Below {threshold:.0%}: {len(weak) or 'none'}"]
    if weak:
        width = max(len(row.problem_id) for row in weak)
        lines.append(f"{'problem':{width}}  {'rate':>6}  killed  survived  unknown  equivalent")
    for row in weak:
        lines.append(
            f"{row.problem_id:{width}}  {_percent(row.rate):>6}  {row.killed:6}  {row.survived:8}  {row.unknown:7}"
            f"  {row.equivalent:10}"
        )
        lines += _missed(row)
    if result.skipped:
        lines += ["", "Skipped:", *(f"- {name}: {reason}" for name, reason in result.skipped.items())]
    return "\n".join(lines) + "\n"


def _missed(row: BenchTeeth) -> list[str]:
    shown = [f"    line {one.line}: {one.change} ({one.kind}, {one.fate})" for one in row.survivors[:_SURVIVORS]]
    more = len(row.survivors) - len(shown)
    return [*shown, f"    and {more} more"] if more else shown


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}%"
