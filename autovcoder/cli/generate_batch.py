"""`generate-verilog --batch`: many specifications, one after another, into a folder that goes on where it stopped.

Reads a JSONL file, a specification a line; writes a stage folder with ``results.jsonl`` (a row each) and
``designs/ID.v`` for those that are accepted. A specification that cannot be used is a row with its error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from autovcoder.cli.generate_run import Wanted, Writer
from autovcoder.cli.report_errors import say
from autovcoder.cli.show_result import as_document
from autovcoder.cli.stage_options import weights_hash
from autovcoder.cli.status_line import StatusLine
from autovcoder.errors import ContextTooLong, InputError
from autovcoder.files import write_atomic, writing
from autovcoder.records import Language, Record
from autovcoder.store import Stage

RESULTS, DESIGNS = "results.jsonl", "designs"


class Asked(Record):
    """A line of the file. ``id`` becomes a file's name; ``testbench`` is the text of one in Verilog."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    spec: str
    header: str | None = None
    language: Language | None = None
    testbench: str | None = None


def write_batch(file: Path, out: Path, wanted: Wanted, *, language: Language | None, pass_line: str | None) -> bool:
    """Write for every line of ``file``; whether all designs are accepted.

    Args:
        out: the stage folder. ``language``: of lines that name none. ``pass_line``: of all testbenches.

    Raises:
        InputError: the file has a line that cannot be used. StoreError: the folder is another command's.
        ModelError, ToolMissing, ToolFailed: nothing can be written; what is there stays, and the next run goes on.
    """
    asked = read_batch(file)
    started = time.perf_counter()
    stage = _stage(file, out, wanted, language, pass_line)
    if stage.manifest is not None:
        facts = stage.manifest.facts
        say(f"{out}: already done, nothing to do; {_in_words(facts)}")
        return bool(facts["accepted"] == len(asked))
    with stage:
        known = {row["id"] for row in stage.rows(RESULTS)}
        left = [one for one in asked if one.id not in known]
        if known:
            say(f"{out}: going on with {len(left)} of {len(asked)}")
        if left:
            writer = Writer(wanted, started)
            stage.start()
            with writing(out / DESIGNS):
                (out / DESIGNS).mkdir(exist_ok=True)
            _write_all(stage, writer, left, len(asked), language, pass_line)
        rows = list(stage.rows(RESULTS))
        counts = {"specifications": len(asked), "accepted": 0, "not_accepted": 0, "errors": 0}
        for row in rows:
            counts["accepted" if row["accepted"] else "errors" if row["error"] else "not_accepted"] += 1
        stage.finish(**counts)
    say(f"{out}: {_in_words(counts)}")
    return counts["accepted"] == len(asked)


def read_batch(file: Path) -> list[Asked]:
    """The specifications in a JSONL file.

    Raises:
        InputError: it cannot be read, holds none, or a line is not one or repeats an id; names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError("cannot read the file", where=file, fix=error.strerror or "") from None
    except UnicodeDecodeError:
        raise InputError("the file is not text in UTF-8", where=file) from None
    found: dict[str, tuple[int, Asked]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        one = _read_line(line, f"{file}, line {number}")
        # Some file systems tell no capitals from small letters.
        before = found.setdefault(one.id.lower(), (number, one))
        if before[0] != number:
            raise InputError("the id is taken", where=f"{file}, line {number}: {one.id}", fix=f"see line {before[0]}")
    if not found:
        raise InputError("there is no specification", where=file, fix='write one a line: {"id": "a", "spec": "..."}')
    return [one for _, one in found.values()]


def _read_line(line: str, where: str) -> Asked:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON", where=where, fix=str(error)) from None
    if not isinstance(row, dict):
        raise InputError("expected a JSON object", where=where)
    try:
        return Asked.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        fix = "letters, digits, '_', '-', '.', the first a letter or digit" if key == "id" else first["msg"]
        raise InputError(f"cannot use '{key}'", where=where, fix=fix) from None


def _stage(file: Path, out: Path, wanted: Wanted, language: Language | None, pass_line: str | None) -> Stage:
    from hdl_sim.tools import tool_version

    config: dict[str, Any] = {
        "model": wanted.model,
        "endpoint": wanted.endpoint,
        "weights": weights_hash(wanted.model, wanted.endpoint),
        "sampling": wanted.sampling.model_dump(),
        "effort": wanted.effort.model_dump(),
        "library": _library_hashes(wanted.library),
        "lint": wanted.lint,
        "language": language,
        "pass_line": pass_line,
    }
    versions = {"iverilog": tool_version("iverilog") or "none"}
    return Stage(
        out, "generate.batch", config=config, inputs={"specs": file}, seed=wanted.sampling.seed, versions=versions
    )


def _library_hashes(folder: Path | None) -> dict[str, str] | None:
    if folder is None:
        return None
    from autovcoder.cli.retrieval import identity
    from rag.library import open_library

    return identity(open_library(folder))


def _write_all(
    stage: Stage, writer: Writer, left: Sequence[Asked], of: int, language: Language | None, pass_line: str | None
) -> None:
    status = StatusLine()
    try:
        for number, one in enumerate(left, start=of - len(left) + 1):
            status.show(f"{number} of {of}: {one.id}")
            row = _row(writer, one, language, pass_line)
            if row["accepted"]:
                # Before its row: whoever reads the row finds the design.
                write_atomic(stage.folder / DESIGNS / f"{one.id}.v", row["code"].rstrip("\n") + "\n")
            else:
                # One that was accepted just before a kill, and is not now.
                (stage.folder / DESIGNS / f"{one.id}.v").unlink(missing_ok=True)
            stage.append(RESULTS, row)
    finally:
        status.clear()


def _row(writer: Writer, one: Asked, language: Language | None, pass_line: str | None) -> dict[str, Any]:
    """What came of one specification: the document of ``--json``, or the error of one that cannot be used."""
    from autovcoder.generate import read_header
    from hdl_sim.testbench import bench_from_text

    try:
        header = None if one.header is None else read_header(one.header)
        bench = None if one.testbench is None else bench_from_text(one.testbench, pass_line=pass_line)
        written = writer.write(one.spec, header=header, language=one.language or language, bench=bench)
    except (InputError, ContextTooLong) as error:
        return {"id": one.id, "error": str(error), "accepted": False, "code": None}
    return {"id": one.id, "error": None, **as_document(written.result, written.seconds, written.lint)}


def _in_words(counts: dict[str, Any]) -> str:
    return (
        f"{counts['accepted']} of {counts['specifications']} accepted, {counts['not_accepted']} not, "
        f"{counts['errors']} with an error ({RESULTS}, {DESIGNS}/)"
    )
