"""`autovcoder data collect`: public and own RTL into a stage folder. Reads repositories; writes the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autovcoder.cli.stage_options import Config, Out, say_rows
from autovcoder.cli.status_line import StatusLine


def collect(
    out: Out,
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="owner/name, a git URL or a local path; @COMMIT behind it, NAME= before it, as wanted."),
    ] = None,
    config: Config = None,
    list_file: Annotated[Path | None, typer.Option("--list", help="A file with one source a line.")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Search GitHub for this language (Verilog, SystemVerilog); repeatable.")
    ] = None,
    created: Annotated[str | None, typer.Option(help="Created in this time: YYYY-MM-DD..YYYY-MM-DD.")] = None,
    min_stars: Annotated[int | None, typer.Option(min=0, help="Stars that a repository found must have.")] = None,
    max_repos: Annotated[int | None, typer.Option(min=1, help="Of those found, take so many by stars.")] = None,
    api: Annotated[str | None, typer.Option(help="The API to search; GITHUB_TOKEN is sent to it and only it.")] = None,
    max_mb: Annotated[float | None, typer.Option(help="MiB that one repository may have.")] = None,
    max_file_mb: Annotated[float | None, typer.Option(help="MiB that one file may have.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that one repository may take.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Repositories brought at the same time.")] = None,
) -> None:
    """Collect RTL from GitHub's search, a list, git URLs or folders: one archive for each source."""
    from autovcoder.config import load_settings
    from data_pipeline.collect import CollectSettings
    from data_pipeline.collect import collect as bring
    from data_pipeline.github import Tell

    flags = {
        "sources": sources or None,
        "languages": language or None,
        "created": created,
        "min_stars": min_stars,
        "max_repos": max_repos,
        "api": api,
        "max_mb": max_mb,
        "max_file_mb": max_file_mb,
        "timeout_s": timeout,
        "jobs": jobs,
    }
    settings = load_settings(CollectSettings, config, flags)
    line = StatusLine()
    try:
        manifest = bring(out, settings, list_file=list_file, tell=Tell(line.note, line.show))
    finally:
        line.clear()
    say_rows(manifest, out)
