"""`generate-verilog`: one sentence in, the module on stdout, and on stderr what it was checked against.

Reads the options; `generate_input` reads the specification and the testbenches, `generate_run` opens the model,
`generate_batch` writes for many specifications. Writes the code to stdout or to a file.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autovcoder.cli.generate_input import is_regex, read_bench, read_cocotb, read_spec, read_text
from autovcoder.cli.generate_run import Wanted, Writer, Written
from autovcoder.cli.report_errors import DESIGN_FAILED, busy, emit, say
from autovcoder.cli.sampling import sampling_from
from autovcoder.cli.show_result import as_document, explain, report, report_context, report_lint
from autovcoder.errors import StoreError
from autovcoder.records import Language

if TYPE_CHECKING:
    from autovcoder.records import Bench


@dataclass(frozen=True, slots=True)
class _Given:
    """What one specification's command reads and how it shows the result."""

    header: Path | None
    testbench: Path | None
    pass_line: str | None
    cocotb: Path | None
    out: Path | None
    as_json: bool
    show_context: bool
    explained: bool


def generate(
    spec: Annotated[str | None, typer.Argument(help="What the module shall do, in words; '-' reads stdin.")] = None,
    spec_file: Annotated[Path | None, typer.Option(help="Read the specification from this file.")] = None,
    header: Annotated[Path | None, typer.Option(help="A file with the module header that fixes the interface.")] = None,
    language: Annotated[Language | None, typer.Option(help="Asked for, and checked.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A Hugging Face id, a model or adapter folder, or a served model's name [default: nano]"),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible server; key from OPENAI_API_KEY."),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--samples", min=1, help="How many answers; the best is printed.")] = 1,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="0 is greedy [default: 0, and 0.8 when -n is above 1]")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Nucleus sampling [default: 1, and 0.95 when -n is above 1]")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 1024,
    out: Annotated[
        Path | None, typer.Option(help="Write the code to this file instead of stdout; the folder of --batch.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the code, all checks and candidates as JSON.")] = False,
    rag: Annotated[
        bool | None,
        typer.Option(
            "--rag/--no-rag", help="Put what retrieval finds before the specification. [default: if you have a library]"
        ),
    ] = None,
    library: Annotated[Path | None, typer.Option(help="The library for --rag. [default: as `autovcoder rag`]")] = None,
    show_context: Annotated[
        bool, typer.Option("--show-context", help="Print what was retrieved, on stderr; implies --rag.")
    ] = False,
    select: Annotated[
        Literal["consensus", "first"],
        typer.Option(help="How one of several answers is chosen: by what they do, or the first good one."),
    ] = "consensus",
    sure: Annotated[
        float, typer.Option(min=0, max=1, help="Draw more answers, up to --most, while the choice is less sure.")
    ] = 0.0,
    most: Annotated[int | None, typer.Option(min=1, help="The most answers in all. [default: 4 times -n]")] = None,
    repair: Annotated[
        int, typer.Option(metavar="K", min=0, help="Where no answer is good, tell the model why, up to K times.")
    ] = 0,
    mend: Annotated[
        bool, typer.Option("--mend/--as-written", help="Mend common slips of what does not compile, by rule.")
    ] = True,
    explained: Annotated[bool, typer.Option("--explain", help="Say how the answers differ, on stderr.")] = False,
    lint: Annotated[
        bool, typer.Option("--lint", help="Say on stderr what a linter would: widths, cases, latches, what is unused.")
    ] = False,
    testbench: Annotated[Path | None, typer.Option(help="A Verilog testbench to simulate the design against.")] = None,
    pass_line: Annotated[
        str | None, typer.Option(metavar="REGEX", help="The testbench's line that says that the design passed.")
    ] = None,
    cocotb: Annotated[
        Path | None, typer.Option(help="A cocotb test (test_*.py) to simulate the design against, too.")
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(metavar="JSONL", help="Many specifications, one a line; --out is the folder that is written."),
    ] = None,
) -> None:
    """Write Verilog for a specification and check it in a real simulator.

    The code goes to stdout, everything else to stderr. Exit code 0: it compiles, contradicts nothing that the
    specification states, and passed the testbenches if any were given; 3: it did not, and the best is printed all the
    same; 1: one line says what went wrong; 2: usage.
    """
    sampling = sampling_from(n, temperature, top_p, seed, max_new_tokens)
    _check_sure(sure, most, n, select)
    if endpoint is not None and model is None:
        raise typer.BadParameter("--endpoint needs --model NAME, the model's name on that server")
    _check_pass_line(pass_line, testbench or batch)
    with_context = _wants_context(rag, library, show_context)
    given = _Given(header, testbench, pass_line, cocotb, out, as_json, show_context, explained)
    if batch is not None:
        _refuse_beside_batch(given, spec, spec_file)
    else:
        text = read_spec(spec, spec_file)
        _refuse_unwritable(out)
    started = time.perf_counter()
    from autovcoder.generate import Effort

    effort = Effort(select=select, mend=mend, repairs=repair, sure=sure, most=(most or 4 * n) if sure else 0)
    wanted = Wanted(model or "nano", endpoint, sampling, effort, _library(library) if with_context else None, lint)
    if batch is None:
        accepted = _one(text, given, language, wanted, started)
    else:
        from autovcoder.cli.generate_batch import write_batch

        accepted = write_batch(batch, out or Path(), wanted, language=language, pass_line=pass_line)
    if not accepted:
        raise typer.Exit(DESIGN_FAILED)


def _check_sure(sure: float, most: int | None, n: int, select: str) -> None:
    if most is not None and (not sure or most < n):
        raise typer.BadParameter("--most goes with --sure, and is not less than -n")
    if sure and n < 2:
        raise typer.BadParameter("--sure needs several answers: -n 2 or more")
    if sure and select == "first":
        raise typer.BadParameter("--sure goes with --select consensus: the first answer has no confidence")


def _check_pass_line(pass_line: str | None, benches: Path | None) -> None:
    """``benches`` is where the testbench is that prints the line, or the file with many."""
    if pass_line is not None and (benches is None or not is_regex(pass_line)):
        raise typer.BadParameter(
            "--pass-line needs --testbench (or --batch) and a Python regular expression of at most 1,000 characters"
        )


def _wants_context(rag: bool | None, library: Path | None, show_context: bool) -> bool:
    """Whether something is put before the specification: as ``--rag`` says, or else where another option implies it or
    the user has a library of their own.
    """
    from rag.places import has_own_library

    implied = library is not None or show_context
    if rag is False and implied:
        raise typer.BadParameter("--library and --show-context go with --rag")
    return implied or has_own_library() if rag is None else rag


def _refuse_beside_batch(given: _Given, spec: str | None, spec_file: Path | None) -> None:
    if given.out is None:
        raise typer.BadParameter("--batch needs --out FOLDER")
    one = {
        "a specification": spec is not None or spec_file is not None,
        "--header": given.header is not None,
        "--testbench": given.testbench is not None,
        "--cocotb": given.cocotb is not None,
        "--json": given.as_json,
        "--explain": given.explained,
        "--show-context": given.show_context,
    }
    for name, there in one.items():
        if there:
            raise typer.BadParameter(f"{name} is for one specification: --batch reads what it needs from its file")


def _library(folder: Path | None) -> Path:
    if folder is not None:
        return folder
    from rag.places import default_library

    return default_library()


def _one(spec: str, given: _Given, language: Language | None, wanted: Wanted, started: float) -> bool:
    """Write for one specification; whether the design is accepted."""
    from autovcoder.generate import read_header

    header = read_header(read_text(given.header, "header")) if given.header else None
    bench = read_bench(given.testbench, given.pass_line) if given.testbench else None
    cocotb = _cocotb(given.cocotb, spec, header) if given.cocotb else None
    writer = Writer(wanted, started)
    with busy("writing Verilog"):
        written = writer.write(spec, header=header, language=language, bench=bench, cocotb=cocotb)
    seconds = {part: writer.seconds.get(part, 0.0) + written.seconds.get(part, 0.0) for part in _parts(writer, written)}
    if wanted.library is not None:
        report_context(written.result.context, given.show_context)
    _write(written, given.out, given.as_json, seconds)
    report(written.result, language, seconds)
    if wanted.lint:
        report_lint(written.lint)
    if given.explained:
        explain(written.result)
    return written.result.accepted


def _parts(writer: Writer, written: Written) -> list[str]:
    return list(dict.fromkeys([*writer.seconds, *written.seconds]))


def _cocotb(path: Path, spec: str, header: str | None) -> Bench:
    from hdl_sim.statement import stated_interface

    return read_cocotb(path, stated_interface(spec, header).name)


def _refuse_unwritable(out: Path | None) -> None:
    """Find out now, before a model has worked for nothing, that ``out`` cannot be written."""
    from autovcoder.files import writing

    if out is None:
        return
    folder = out.resolve().parent
    if out.exists() and not out.is_file():
        raise StoreError("cannot write", where=out, fix="it is not a regular file")
    if not folder.is_dir():
        raise StoreError("cannot write", where=out, fix=f"there is no folder {folder}")
    if out.exists() and not os.access(out, os.W_OK):
        raise StoreError("cannot write", where=out, fix="the file is read-only")
    with writing(out):
        tempfile.TemporaryFile(dir=folder).close()


def _write(written: Written, out: Path | None, as_json: bool, seconds: dict[str, float]) -> None:
    result = written.result
    code = None if result.code is None else result.code.rstrip("\n") + "\n"
    if out is not None and code is not None:
        from autovcoder.files import write_atomic

        write_atomic(out.resolve(), code)
        say(f"written: {out}")
    if as_json:
        document = as_document(result, seconds, written.lint)
        emit(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    elif out is None and code is not None:
        emit(code)
