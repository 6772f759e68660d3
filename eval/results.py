"""What a run's folder holds, read back, and the page that is made of it.

Reads problems.jsonl, samples.jsonl, verdicts.jsonl, waves.jsonl and report.json of a run's folder; writes report.html
there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autovcoder.errors import InputError, StoreError
from autovcoder.files import read_jsonl, read_records, write_atomic
from autovcoder.records import Problem, Sample, Verdict
from autovcoder.store import read_manifest
from eval.page import to_html, waves_from_rows
from eval.report import Key, Report
from eval.suites import PROBLEMS
from eval.waves import WAVES

SAMPLES = "samples.jsonl"
VERDICTS = "verdicts.jsonl"
REPORT_JSON = "report.json"
REPORT_MD = "report.md"
REPORT_HTML = "report.html"


def samples_in(folder: Path) -> list[Sample]:
    """The answers that a run's folder holds, finished or not."""
    path = folder / SAMPLES
    return list(read_records(path, Sample)) if path.exists() else []


def verdicts_in(folder: Path) -> dict[Key, Verdict]:
    """The verdicts that a run's folder holds, finished or not."""
    path = folder / VERDICTS
    return dict(verdict_from_row(row) for row in read_jsonl(path)) if path.exists() else {}


def verdict_from_row(row: dict[str, Any]) -> tuple[Key, Verdict]:
    """A row of verdicts.jsonl, which is flat."""
    fields = dict(row)
    key = (fields.pop("problem_id"), fields.pop("index"))
    return key, Verdict.model_validate(fields)


def read_report(folder: Path) -> Report:
    """The report of a finished run.

    Raises:
        StoreError: it is missing or damaged.
    """
    try:
        return Report.model_validate_json((folder / REPORT_JSON).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        raise StoreError(
            "the report cannot be read", where=folder / REPORT_JSON, fix="delete the folder, run again"
        ) from None


def write_page(folder: Path) -> Path:
    """Write a finished run as one HTML file into its folder, and return its path.

    The page is a view of the other files: the manifest does not list it, and it can be made anew.

    Raises:
        StoreError: the run is not finished, or one of its files is missing or damaged.
    """
    version = read_manifest(folder).versions.get("autovcoder", "")
    try:
        problems = list(read_records(folder / PROBLEMS, Problem))
        verdicts = verdicts_in(folder)
        waves = waves_from_rows(read_jsonl(folder / WAVES)) if (folder / WAVES).exists() else {}
        page = to_html(read_report(folder), problems, samples_in(folder), verdicts, waves, version=version)
    except (InputError, ValidationError, KeyError) as error:
        raise StoreError("the run's files cannot be read", where=folder, fix=str(error)) from None
    write_atomic(folder / REPORT_HTML, page)
    return folder / REPORT_HTML
