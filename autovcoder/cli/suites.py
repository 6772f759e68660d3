"""`autovcoder eval suites`, `fetch` and `selftest`: which benchmarks there are, how to get one, what it gets wrong.

Reads benchmarks' files and repositories; writes a checkout or a self-test's folder, and prints what was found.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autovcoder.cli.report_errors import busy, emit, say

if TYPE_CHECKING:
    from eval.selftest import SelfTest


def register(app: typer.Typer) -> None:
    """Add the commands to ``autovcoder eval``."""
    app.command("suites")(suites)
    app.command("fetch")(fetch)
    app.command("selftest")(selftest)
    app.command("problems")(problems)


def suites(
    data: Annotated[Path | None, typer.Option(help="A folder: how many problems of each suite does it hold?")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the benchmarks that can be scored, and what --data must hold for each."""
    from eval.fetch import PINS
    from eval.suites import SUITES

    rows: list[dict[str, Any]] = []
    for name, suite in SUITES.items():
        pin = PINS.get(name)
        row: dict[str, Any] = {"name": name, "about": suite.about, "data": suite.data}
        row["repository"] = {"url": pin.url, "commit": pin.commit} if pin else None
        if data is not None or not suite.data:
            row["problems"] = _count(name, data if suite.data else None)
        rows.append(row)
    emit(json.dumps(rows, indent=2) + "\n" if as_json else "\n".join(map(_as_text, rows)))


def _count(name: str, data: Path | None) -> int | None:
    """How many problems a folder holds of a suite; None where it holds another suite, or none."""
    from autovcoder.errors import InputError
    from eval.suites import load_suite

    if data is not None and not data.exists():
        raise InputError("no such folder", where=data)
    try:
        return len(load_suite(name, data))
    except InputError:
        return None


def _as_text(row: dict[str, Any]) -> str:
    count = "problems" in row and (f": {row['problems']} problems" if row["problems"] else ": not in this folder")
    lines = [f"{row['name']}{count or ''}", f"    {row['about']}"]
    lines += [f"    --data: {row['data']}"] if row["data"] else ["    comes with the package, needs no --data"]
    if row["repository"]:
        lines.append(f"    fetch: {row['repository']['url']} at {row['repository']['commit'][:12]}")
    return "\n".join(lines) + "\n"


def fetch(
    suite: Annotated[str, typer.Argument(help="A suite that `autovcoder eval suites` lists with a repository.")],
    out: Annotated[Path, typer.Option(help="The folder of the checkout; it must not exist yet, or be empty.")],
    url: Annotated[str | None, typer.Option(help="Another place of the same repository, such as a mirror.")] = None,
) -> None:
    """Get a benchmark from its authors' repository, at the pinned commit, and check that it is that commit."""
    from eval.fetch import fetch as fetch_suite
    from eval.suites import load_suite

    with busy(f"fetching {suite}"):
        pin = fetch_suite(suite, out, url=url)
    say(f"{out} holds {pin.url} at {pin.commit}")
    emit(f"{suite}: {len(load_suite(suite, out))} problems\n")


def selftest(
    suite: Annotated[str, typer.Option(help="A suite that `autovcoder eval suites` lists.")],
    data: Annotated[Path | None, typer.Option(help="Folder with the suite's files.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the result; an interrupted test resumes there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run every reference on its own testbench, and list the problems that cannot pass on this machine, and why."""
    from eval.run import LIMITS
    from eval.selftest import selftest as run_selftest
    from eval.suites import load_suite
    from hdl_sim.icarus_pool import IcarusPool

    problems = load_suite(suite, data)
    with busy(f"running {len(problems)} references"):
        result = run_selftest(problems, IcarusPool(), LIMITS, out)
    emit(result.model_dump_json(indent=2) + "\n" if as_json else _selftest_text(result))
    if out is not None:
        say(f"the self-test is in {out}")


def problems(
    suite: Annotated[str, typer.Option(help="A suite that `autovcoder eval suites` lists.")],
    out: Annotated[Path, typer.Option(help="The folder to write problems.jsonl into; made when missing.")],
    data: Annotated[Path | None, typer.Option(help="Folder with the suite's files.")] = None,
) -> None:
    """Write a suite as problems.jsonl, which `autovcoder data decontaminate --against` reads."""
    from autovcoder.errors import StoreError
    from eval.suites import load_suite, write_problems

    found = load_suite(suite, data)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("cannot make the folder", where=out, fix=error.strerror or "") from None
    say(f"{len(found)} problems are in {write_problems(found, out)}")


def _selftest_text(result: SelfTest) -> str:
    lines = [
        f"suite        {result.suite}",
        f"suite hash   {result.suite_hash}",
        f"simulator    {result.simulator}",
        f"problems     {result.problems}",
        f"references   {result.references_pass} pass",
        f"passable     {result.passable}",
    ]
    if result.no_reference:
        lines.append(f"no reference {len(result.no_reference)}: {', '.join(result.no_reference)}")
    if result.cannot_pass:
        lines += ["", "Cannot pass:", *(f"- {name}: {reason}" for name, reason in result.cannot_pass.items())]
    return "\n".join(lines) + "\n"
