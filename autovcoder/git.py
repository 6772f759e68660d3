"""Git, called with care: no password asked, no token of the caller's handed on, ended with all its children.

Reads repositories that strangers made; writes what git writes into the folder that it is given.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from autovcoder.errors import ToolFailed

# A server that stalls for a minute is gone. What is checked out is what was committed, and holds no links.
_SETTINGS = {
    "http.lowSpeedLimit": "100",
    "http.lowSpeedTime": "60",
    "core.autocrlf": "false",
    "core.symlinks": "false",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "protocol.ext.allow": "never",
    "advice.detachedHead": "false",
}

# The variables that git and its helpers get: what they need to run, to reach a host and to find the user's settings.
# Tokens stay here, and so do the variables that tie git to a repository while a hook of one runs (GIT_DIR).
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_NAMES = """
    PATH LD_LIBRARY_PATH HOME USER LOGNAME TMPDIR XDG_CONFIG_HOME SSH_AUTH_SOCK
    SSL_CERT_FILE SSL_CERT_DIR GIT_SSL_CAINFO CURL_CA_BUNDLE GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_CONFIG_NOSYSTEM
"""
_PASSED = frozenset(_NAMES.split()) | {form for name in _PROXIES for form in (name, name.upper())}
# A server chooses what git prints; nobody reads more of it.
_MOST_ERRORS = 64 * 1024
_MOST_OUTPUT = 64 * 1024 * 1024
_WATCH_S = 0.1


class GitStopped(ToolFailed):
    """Git was ended at a limit."""


@dataclass(frozen=True)
class Limits:
    """When git is ended before it has finished; nothing ends it without them.

    Attributes:
        deadline: a time of ``time.monotonic``.
        most_bytes: that ``folder`` may hold while git runs; looked at several times a second, so that a fast disk may
            take somewhat more.
        stop: set from another thread, it ends git.
    """

    deadline: float | None = None
    folder: Path | None = None
    most_bytes: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def passed(self) -> str | None:
        """Which limit is passed, in words; None while none is."""
        if self.stop.is_set():
            return "interrupted"
        if self.deadline is not None and time.monotonic() > self.deadline:
            return "out of time"
        if self.folder is not None and self.most_bytes is not None and size_below(self.folder) > self.most_bytes:
            return "too large"
        return None


class Running:
    """A git process; `stdout` is read by the caller, who then asks for the `result`."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        self._process = process
        self._limits = limits
        self._ended = threading.Event()
        self._stopped: str | None = None
        self._errors = b""
        assert process.stdout is not None  # noqa: S101 - it was asked for
        self.stdout: IO[bytes] = process.stdout
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._watch, self._drain)]
        for thread in self._threads:
            thread.start()

    def result(self) -> tuple[int, str]:
        """Wait for the end: the exit code, and the head of what was printed to stderr.

        Raises:
            GitStopped: a limit ended it.
        """
        code = self._process.wait()
        self._end()
        # Asked once more: what is fast passes a limit between two looks at it.
        if stopped := self._stopped or self._limits.passed():
            raise GitStopped(stopped)
        return code, self._errors.decode(errors="replace")

    def _end(self) -> None:
        """End git and its helpers, which outlive it when it is killed."""
        self._ended.set()
        self._kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        self.stdout.close()

    def _watch(self) -> None:
        while not self._ended.wait(_WATCH_S):
            # Also when git itself has ended: a helper may hold its output open.
            self._stopped = self._limits.passed()
            if self._stopped:
                self._kill()
                return

    def _drain(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101 - it was asked for
        with stderr:
            while part := os.read(stderr.fileno(), _MOST_ERRORS):
                self._errors += part[: _MOST_ERRORS - len(self._errors)]

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


@contextlib.contextmanager
def open_git(
    program: Path, arguments: list[str], folder: Path, *, limits: Limits | None = None, stdin: Path | None = None
) -> Iterator[Running]:
    """Run git in ``folder``, with a file as its input; when the block is left it is gone, with all it started.

    Raises:
        ToolFailed: git cannot be run. OSError: ``stdin`` cannot be read.
    """
    env = {name: value for name, value in os.environ.items() if name in _PASSED}
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "LC_ALL": "C"}
    env["GIT_SSH_COMMAND"] = os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with Path(stdin or os.devnull).open("rb") as source:
        try:
            process = subprocess.Popen(
                [str(program), *settings, *arguments],
                cwd=folder,
                env=env,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ToolFailed("git cannot be run", where=program, fix=str(error)) from None
    running = Running(process, limits or Limits())
    try:
        yield running
    finally:
        running._end()


def run_git(
    program: Path, arguments: list[str], folder: Path, *, limits: Limits | None = None, stdin: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git in ``folder`` to its end.

    Raises:
        ToolFailed: git cannot be run. GitStopped: a limit ended it.
    """
    with open_git(program, arguments, folder, limits=limits, stdin=stdin) as running:
        output = running.stdout.read(_MOST_OUTPUT)
        # What is beyond that is not read: git ends at the closed pipe.
        running.stdout.close()
        code, errors = running.result()
    return subprocess.CompletedProcess(arguments, code, output.decode(errors="replace"), errors)


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """Why git failed, in its own words, on one line."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    return told[0] if told else f"git ended with code {done.returncode}"


def size_below(folder: Path) -> int:
    """The bytes of all files below a folder that may change meanwhile."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).stat(follow_symlinks=False).st_size
    return total
