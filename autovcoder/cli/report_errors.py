"""How every command ends: one clear line for a failure of ours, the right exit code, and never a traceback for either.

Reads nothing; writes results to stdout and everything else to stderr. Exit codes: 0 done, 1 one clear line, 2 usage,
3 the design failed its check, 130 interrupted, 141 the reader of stdout went away.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import typer

from autovcoder.errors import AutoVCoderError, StoreError
from hdl_sim.run_folders import remove_folders

FAILED, DESIGN_FAILED, INTERRUPTED, CLOSED_PIPE = 1, 3, 130, 141


def run_app(app: typer.Typer, name: str) -> None:
    """Run a command line to its end and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its code instead of ending the command.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name=name)
    except AutoVCoderError as error:
        say(f"error: {error}")
        sys.exit(FAILED)
    except ModuleNotFoundError as error:
        extra = _extra_with(error.name or "")
        if extra is None:
            raise
        say(f"error: {error.name} is not installed; pip install 'autovcoder[{extra}]'")
        sys.exit(FAILED)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            # A normal end would still wait for threads that wait for a server, which no close of a socket wakes. What
            # is confined ends with this process; its folders would stay.
            remove_folders(os.getpid())
            os._exit(INTERRUPTED)
        raise


def _extra_with(module: str) -> str | None:
    """The extra of this package that brings a module along; None where none does."""
    from importlib import metadata

    name = module.partition(".")[0].replace("_", "-")
    for line in metadata.requires("autovcoder") or ():
        match = re.match(rf"{re.escape(name)}\b(?!-).*extra == ['\"](\w+)['\"]", line)
        if match:
            return match[1]
    return None


def emit(text: str) -> None:
    """Write a result to stdout.

    Raises:
        StoreError: stdout cannot be written (a full disk behind a redirection).
        typer.Exit: the reader went away, as in ``| head``; ends the command quietly.
    """
    if sys.stdout is None:  # closed by the caller, as in >&-
        raise StoreError("cannot write", where="stdout", fix="it is closed")
    try:
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        raise typer.Exit(CLOSED_PIPE) from None
    except OSError as error:
        _forget_stdout()
        raise StoreError("cannot write", where="stdout", fix=error.strerror or "") from None


def say(line: str) -> None:
    """Write a line for the person at the terminal to stderr; nothing happens when nobody can read it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(printable(line) + "\n")
        sys.stderr.flush()
    except OSError:
        return


def printable(text: str) -> str:
    """The text without characters that a terminal would act on: a model may write escape sequences."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time, only when stderr is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(doing)):
        yield


def _forget_stdout() -> None:
    """Point stdout nowhere, so that Python's own flush at the end does not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
