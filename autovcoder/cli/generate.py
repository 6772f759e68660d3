"""`generate-verilog`: one sentence in, the module on stdout, and on stderr what it was checked against.

Reads the specification (argument, file or stdin), a header and a testbench; writes the code to stdout or to a file.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autovcoder.cli.report_errors import DESIGN_FAILED, busy, emit, say
from autovcoder.cli.sampling import sampling_from
from autovcoder.cli.show_result import as_document, explain, report, report_context
from autovcoder.errors import InputError, StoreError
from autovcoder.records import Bench, Language

if TYPE_CHECKING:
    from autovcoder.generate import Result
    from autovcoder.models import TextModel
    from autovcoder.records import Context, Sampling

# Files beside a testbench that its text names, such as the argument of $readmemh.
_VERILOG_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.s?v")
_QUOTED_NAME = re.compile(r'"([A-Za-z0-9_][A-Za-z0-9_.-]*)"')


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
    out: Annotated[Path | None, typer.Option(help="Write the code to this file instead of stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all candidates and checks as JSON.")] = False,
    rag: Annotated[
        bool | None,
        typer.Option("--rag/--no-rag", help="Put what retrieval finds before the specification. [default: no]"),
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
    testbench: Annotated[Path | None, typer.Option(help="A Verilog testbench to simulate the design against.")] = None,
    pass_line: Annotated[
        str | None, typer.Option(metavar="REGEX", help="The testbench's line that says that the design passed.")
    ] = None,
) -> None:
    """Write Verilog for a specification and check it in a real simulator.

    The code goes to stdout, everything else to stderr. Exit code 0: it compiles, contradicts nothing that the
    specification states, and passed the testbench if one was given; 3: it did not, and the best is printed all the
    same; 1: one line says what went wrong; 2: usage.
    """
    sampling = sampling_from(n, temperature, top_p, seed, max_new_tokens)
    if most is not None and (not sure or most < n):
        raise typer.BadParameter("--most goes with --sure, and is not less than -n")
    if sure and n < 2:
        raise typer.BadParameter("--sure needs several answers: -n 2 or more")
    if endpoint is not None and model is None:
        raise typer.BadParameter("--endpoint needs --model NAME, the model's name on that server")
    if pass_line is not None and (testbench is None or not _is_regex(pass_line)):
        raise typer.BadParameter("--pass-line needs --testbench and a Python regular expression")
    rag = (library is not None or show_context) if rag is None else rag
    if not rag and (library is not None or show_context):
        raise typer.BadParameter("--library and --show-context go with --rag")
    text = _read_spec(spec, spec_file)
    if not text.strip():
        raise InputError("the specification is empty", fix="say in words what the module shall do")
    _refuse_unwritable(out)
    started = time.perf_counter()
    from autovcoder.generate import Effort, read_header
    from autovcoder.generate import generate as run
    from autovcoder.models import open_model
    from hdl_sim.icarus import Icarus
    from hdl_sim.tools import find_tool

    # Before the model is loaded: these failures should not take seconds to show.
    find_tool("iverilog")
    interface = read_header(_read(header, "header")) if header else None
    bench = _read_bench(testbench, pass_line) if testbench else None
    imported = time.perf_counter()
    with busy("loading the model"):
        writer = open_model(model or "nano", endpoint)
    loaded = time.perf_counter()
    context = _context(text, interface, writer, library, sampling) if rag else None
    found = time.perf_counter()
    with busy("writing Verilog"):
        result = run(
            text,
            writer,
            header=interface,
            language=language,
            sampling=sampling,
            effort=Effort(select=select, mend=mend, repairs=repair, sure=sure, most=(most or 4 * n) if sure else 0),
            context=context,
            bench=bench,
            simulator=Icarus(),
        )
    seconds = {"import": imported - started, "load": loaded - imported, **result.seconds}
    if context is not None:
        seconds = {"retrieve": found - loaded, **seconds}
        report_context(context, show_context)
    _write(result, out, as_json, seconds)
    report(result, language, seconds)
    if explained:
        explain(result)
    if not result.accepted:
        raise typer.Exit(DESIGN_FAILED)


def _context(spec: str, header: str | None, model: TextModel, library: Path | None, sampling: Sampling) -> Context:
    from autovcoder.cli.retrieval import contexts_for, searches
    from rag.context import ContextSettings
    from rag.library import default_library, open_library

    opened = open_library(library or default_library())
    return contexts_for([(spec, header)], model, searches(opened), ContextSettings(), sampling)[0]


def _read_spec(spec: str | None, file: Path | None) -> str:
    if spec is not None and file is not None:
        raise typer.BadParameter("give the specification as an argument or with --spec-file, not both")
    if file is not None:
        return _read(file, "specification")
    if spec is not None and spec != "-":
        return spec
    if sys.stdin is None or (spec is None and sys.stdin.isatty()):
        raise typer.BadParameter("say what the module shall do, as an argument, with --spec-file, or on stdin")
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise InputError("the specification is not text in UTF-8", where="stdin") from None


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the {what}", where=path, fix=error.strerror or "") from None
    except UnicodeDecodeError:
        raise InputError(f"the {what} is not text in UTF-8", where=path) from None


def _read_bench(path: Path, pass_line: str | None) -> Bench:
    from hdl_sim.testbench import bench_from_text

    text = _read(path, "testbench")
    beside = {name: path.parent / name for name in _QUOTED_NAME.findall(text) if name != path.name}
    data = {name: _read(file, "testbench's data file") for name, file in sorted(beside.items()) if file.is_file()}
    name = path.name if _VERILOG_NAME.fullmatch(path.name) else "testbench.sv"
    return bench_from_text(text, pass_line=pass_line, file_name=name).model_copy(update={"data_files": data})


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _refuse_unwritable(out: Path | None) -> None:
    """Find out now, before a model has worked for nothing, that ``out`` cannot be written."""
    if out is None:
        return
    folder = out.resolve().parent
    if out.exists() and not out.is_file():
        raise StoreError("cannot write", where=out, fix="it is not a regular file")
    if not folder.is_dir():
        raise StoreError("cannot write", where=out, fix=f"there is no folder {folder}")
    if out.exists() and not os.access(out, os.W_OK):
        raise StoreError("cannot write", where=out, fix="the file is read-only")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise StoreError("cannot write", where=out, fix=error.strerror or "") from None


def _write(result: Result, out: Path | None, as_json: bool, seconds: dict[str, float]) -> None:
    code = None if result.code is None else result.code.rstrip("\n") + "\n"
    if out is not None and code is not None:
        from autovcoder.store import write_atomic

        write_atomic(out.resolve(), code)
        say(f"written: {out}")
    if as_json:
        emit(json.dumps(as_document(result, seconds), indent=2, ensure_ascii=False) + "\n")
    elif out is None and code is not None:
        emit(code)
