"""Verdicts kept on disk by content: the same design on the same testbench, under the same tools and rules, runs once.

Reads and writes one SQLite file, which several processes may share.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sqlite3
import threading
from concurrent.futures import Future
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from autovcoder.errors import StoreError
from autovcoder.records import Bench, Verdict, content_id
from hdl_sim.limits import Limits
from hdl_sim.simulator import CRASH, DEFAULT_LIMITS, Simulator
from hdl_sim.waves import Dumps

_WAIT_S = 60.0  # for another process that writes


def default_cache() -> Path:
    """Where verdicts are kept: below ``AUTOVCODER_CACHE``, or the user's cache folder (XDG)."""
    own = os.environ.get("AUTOVCODER_CACHE")
    if own:
        return Path(own) / "verdicts.sqlite"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "autovcoder" / "verdicts.sqlite"


class CachedSimulator:
    """A `Simulator` that asks another one only for what it has not been asked before.

    A verdict is found by the sha256 of everything that it depends on: the design's text, the testbench, the limits, the
    simulator's name and version, and the code of ``hdl_sim`` itself with the versions of slang, cocotb and Python.
    Errors are not kept, nor are crashes of the front end. A time-out is, although a machine under another load might
    have come to an end.
    Identical jobs under way at the same time run once.

    Args:
        inner: gives the verdicts. ``path``: the file; made when it is missing.

    Raises:
        StoreError: the file cannot be opened, read or written.
    """

    def __init__(self, inner: Simulator, path: Path) -> None:
        self._inner = inner
        self._path = path
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[Verdict]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # One connection, used by one thread at a time.
            self._base = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            # With a write-ahead log readers never wait; a crash of the machine may lose verdicts, never damage them.
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from None

    @property
    def name(self) -> str:
        return self._inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """The kept verdict, or the other simulator's."""
        key = content_id(self._inner.name, _rules(), design, _bench_id(bench), repr(limits))
        with self._lock:
            known = self._read(key)
            if known is not None:
                return known
            waiting = self._waiting.get(key)
            if waiting is None:
                mine = self._waiting[key] = Future[Verdict]()
        if waiting is not None:
            return waiting.result()
        return self._ask(key, mine, design, bench, limits)

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        """The other simulator's answer; not kept."""
        return self._inner.compile_only(design, limits)

    def dump(self, design: str, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """The other simulator's dump, where it makes any; not kept."""
        return self._inner.dump(design, bench, limits) if isinstance(self._inner, Dumps) else b""

    def _ask(self, key: str, mine: Future[Verdict], design: str | None, bench: Bench, limits: Limits) -> Verdict:
        try:
            verdict = self._inner.run(design, bench, limits)
        except BaseException as error:
            with self._lock:
                del self._waiting[key]
            mine.set_exception(error)
            raise
        try:
            with self._lock:
                if all(diagnostic.code != CRASH for diagnostic in verdict.diagnostics):
                    self._write(key, verdict)
        finally:
            # Whoever waits for the same job gets its verdict, whether it could be kept or not.
            with self._lock:
                del self._waiting[key]
            mine.set_result(verdict)
        return verdict

    def _read(self, key: str) -> Verdict | None:
        try:
            row = self._base.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
            return None if row is None else Verdict.model_validate_json(row[0])
        except (sqlite3.Error, ValueError) as error:
            raise self._error(error) from None

    def _write(self, key: str, verdict: Verdict) -> None:
        try:
            self._base.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (key, verdict.model_dump_json()))
        except sqlite3.Error as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> StoreError:
        return StoreError(
            f"the verdict cache cannot be used ({error})", where=self._path, fix="delete it, or run with --no-cache"
        )


def _bench_id(bench: Bench) -> str:
    return hashlib.sha256(bench.model_dump_json().encode()).hexdigest()


@lru_cache(maxsize=1)
def _rules() -> str:
    """What decides besides the simulator: the code of this package and its front end."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    versions = (version("pyslang"), version("cocotb"), platform.python_version())
    return content_id(versions, *(file.read_text(encoding="utf-8") for file in files))
