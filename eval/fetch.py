"""Brings a benchmark from its authors' repository: one pinned commit, whole or not at all.

Reads a git repository; writes a checkout of it. No benchmark of others is shipped here.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from autovcoder.errors import InputError, StoreError, ToolFailed
from autovcoder.files import writing
from autovcoder.git import error_line, run_git
from hdl_sim.tools import find_tool


class Pin(NamedTuple):
    """A commit of a repository."""

    url: str
    commit: str


_VERILOG_EVAL = "https://github.com/NVlabs/verilog-eval"
_RTLLM = "https://github.com/hkust-zhiyao/RTLLM"
_V1 = Pin(_VERILOG_EVAL, "4fa0ac4ed70ff1685114c25cd2e4c17cbba6a0c4")  # release 1.0.0
_V2 = Pin(_VERILOG_EVAL, "c498220d0a52248f8e3fdffe279075215bde2da6")
PINS = {
    "verilogeval-v1-human": _V1,
    "verilogeval-v1-machine": _V1,
    "verilogeval-v2-spec-to-rtl": _V2,
    "verilogeval-v2-code-complete": _V2,
    "rtllm-v1.1": Pin(_RTLLM, "f6d03dee61fd80b868eddc3bf3e675424726a68f"),
    "rtllm-v2.0": Pin(_RTLLM, "41b26896e33b536940116a975626455eed3de65e"),
}


def fetch(suite: str, out: Path, *, url: str | None = None, commit: str | None = None) -> Pin:
    """Check out the suite's pinned commit into ``out``; a folder that holds that very checkout is left as it is.

    Args:
        out: must not exist, or be empty, or hold the checkout already.
        url: another place of the same repository; ``commit``: another commit.

    Returns:
        What ``out`` holds.

    Raises:
        InputError: the suite has no repository, the URL cannot be reached, or it lacks the commit.
        StoreError: ``out`` is taken or cannot be written. ToolMissing: git. ToolFailed: git broke.
    """
    if suite not in PINS:
        raise InputError("this suite has no repository to fetch", where=suite, fix=f"known: {', '.join(PINS)}")
    if url is not None and Path(url).exists():
        url = str(Path(url).resolve())  # git runs in another folder
    pin = Pin(url or PINS[suite].url, commit or PINS[suite].commit)
    git = partial(run_git, find_tool("git"))
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        _refuse_other(git, out, pin)
        return pin
    with _beside(out) as folder:
        reached = git(["ls-remote", "--quiet", "--", pin.url, "HEAD"], folder)
        if reached.returncode != 0:
            raise InputError("cannot reach the repository", where=pin.url, fix=error_line(reached))
        _must(git(["init", "--quiet"], folder), folder)
        got = git(["fetch", "--quiet", "--depth=1", "--no-tags", "--", pin.url, pin.commit], folder)
        if got.returncode != 0:
            raise InputError(f"no commit {pin.commit}", where=pin.url, fix=error_line(got))
        _must(git(["checkout", "--quiet", "--detach", pin.commit], folder), folder)
        if _head(git, folder) != pin.commit:
            raise ToolFailed("git checked out another commit than was asked for", where=pin.url)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return pin


_Run = Callable[[list[str], Path], "subprocess.CompletedProcess[str]"]


def _refuse_other(git: _Run, out: Path, pin: Pin) -> None:
    """Raise unless ``out`` holds the pinned commit, unchanged."""
    held = _head(git, out) if (out / ".git").is_dir() else ""
    if held != pin.commit:
        raise StoreError("the folder holds something else", where=out, fix="name a folder that does not exist")
    changed = git(["status", "--porcelain"], out)
    if changed.returncode != 0 or changed.stdout.strip():
        raise StoreError("the checkout was changed", where=out, fix="delete it and fetch again")


def _head(git: _Run, folder: Path) -> str:
    return git(["rev-parse", "--verify", "HEAD^{commit}"], folder).stdout.strip()


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder to work in on the same disk, which is gone afterwards whatever happens."""
    folder: Path | None = None
    try:
        with writing(out):
            out.resolve().parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.resolve().parent))
            folder.chmod(0o755)  # mkdtemp's are private
            yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _must(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    if done.returncode != 0:
        raise StoreError("git could not write the checkout", where=folder.parent, fix=error_line(done))
