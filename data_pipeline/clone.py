"""One commit of a git repository without a checkout: the tree first, then the contents that are wanted, by their ids.

Reads a repository that strangers made; writes a bare one into a folder of its own. No name in it becomes a path here,
no attribute, link or submodule is followed, and nothing is brought that was not asked for, where the server allows it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from autovcoder.git import GitStopped, Limits, error_line, open_git, run_git

# A tree may name itself, and so list files without end.
MOST_PATHS = 500_000
# Nor may their names fill the memory: of one path, and of all that are wanted.
_PATH_BYTES = 4096
_ALL_PATHS_BYTES = 64 * 1024 * 1024
# A server that lacks some contents answers with none; asked for ever smaller parts it gives the others.
_MOST_PARTS = 64
_TRIES, _FIRST_WAIT_S = 3, 0.5
# Git can leave out contents of a local repository only when the other end is told that it may.
_LOCAL = ("--upload-pack", "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack")
_ABSENT = re.compile(r"not our ref|unadvertised object|could not fetch [0-9a-f]+ from promisor|bad object")
_LONG = f"a path of more than {_PATH_BYTES:,} bytes"
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NETWORK = re.compile(
    r"could not resolve|failed to connect|couldn't connect|connection (?:refused|reset|timed out)|timed out|early EOF"
    r"|network is unreachable|unexpected disconnect|the remote end hung up|RPC failed|too slow"
    r"|error: (?:403|429|5\d\d)|SSL|TLS|gnutls|certificate",
    re.IGNORECASE,
)


class Dropped(Exception):
    """A source gives nothing, for the reason in its message; ``network`` where the way to it may be at fault."""

    def __init__(self, reason: str, *, network: bool = False) -> None:
        super().__init__(reason)
        self.network = network


class Blob(NamedTuple):
    """A regular file of the commit."""

    path: str
    id: str


class Clone:
    """A bare repository of one commit.

    Args:
        git: the program. ``folder``: empty, and used for nothing else.
        limits: end whatever git does.

    All methods raise `Dropped`; ToolFailed: git cannot be run; GitStopped: at a limit; OSError: the disk.
    """

    def __init__(self, git: Path, url: str, folder: Path, limits: Limits) -> None:
        self._git, self._url, self._folder, self._limits = git, url, folder, limits
        self._other_end = _LOCAL if url.startswith("file://") else ()
        self._parts = 0

    def head(self) -> str:
        """The commit that the other end's HEAD is at."""
        told = self._ask("ls-remote", "--quiet", "--", self._url, "HEAD")
        commit = told.stdout.split("\t")[0]
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
            raise Dropped("no commit: the repository is empty or its HEAD leads nowhere")
        return commit

    def fetch_tree(self, commit: str) -> tuple[str, str | None]:
        """Bring a commit's tree: the commit, and its date (ISO 8601) where it has one."""
        form = ["--object-format=sha256"] if len(commit) == 64 else []
        made = self._call("init", "--quiet", "--bare", *form)
        if made.returncode != 0:
            raise OSError(error_line(made))
        options = ("--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--filter=blob:none")
        self._ask("fetch", *options, *self._other_end, "--", self._url, commit)
        # Otherwise git would ask for contents one by one as soon as anything mentions them.
        for name in ("promisor", "partialclonefilter"):
            self._call("config", "--unset-all", f"remote.{self._url}.{name}")
        found = self._call("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        if found.returncode != 0:
            raise Dropped(f"no such commit: {commit}")
        date = self._call("show", "-s", "--format=%cI", found.stdout.strip()).stdout.strip()
        return found.stdout.strip(), date if re.fullmatch(r"[\dT:+Z-]{1,40}", date) else None

    def files(self, commit: str, wanted: Callable[[str], bool]) -> Iterator[Blob]:
        """The regular files whose paths are wanted; bytes that are no UTF-8 are written in hexadecimal."""
        with open_git(
            self._git, ["ls-tree", "-r", "-z", "--full-tree", commit], self._folder, limits=self._limits
        ) as listing:
            names = 0
            for number, entry in enumerate(_until_nul(listing.stdout)):
                if number == MOST_PATHS:
                    raise Dropped(f"more than {MOST_PATHS:,} files")
                about, _, name = entry.partition(b"\t")
                mode, kind, blob_id = about.decode("ascii", "replace").split(" ", 2)
                if len(name) > _PATH_BYTES:
                    raise Dropped(_LONG)
                path = name.decode(errors="backslashreplace")
                if kind == "blob" and mode.startswith("100") and wanted(path):
                    names += len(path)
                    if names > _ALL_PATHS_BYTES:
                        raise Dropped(f"paths of more than {_ALL_PATHS_BYTES:,} bytes")
                    yield Blob(path, blob_id)
            code, errors = listing.result()
        if code != 0:
            raise Dropped(f"damaged: {errors.strip()[:200]}")

    def fetch(self, ids: Iterable[str]) -> dict[str, int]:
        """Bring contents that are not here yet; id to size in bytes of all that are here then."""
        ids = list(dict.fromkeys(ids))
        sizes = self._sizes(ids)
        missing = [one for one in ids if one not in sizes]
        if missing:
            self._fetch_part(missing)
            sizes |= self._sizes(missing)
        return sizes

    def contents(self, ids: Iterable[str]) -> Iterator[bytes]:
        """The contents, in order; all must be here."""
        ids = list(ids)
        with open_git(
            self._git, ["cat-file", "--batch"], self._folder, stdin=self._list(ids), limits=self._limits
        ) as running:
            for _ in ids:
                head = running.stdout.readline().split()
                size = int(head[2]) if len(head) == 3 else 0
                data = running.stdout.read(size + 1)
                if len(head) != 3 or len(data) != size + 1:
                    running.stdout.close()
                    running.result()  # says so when a limit ended it
                    raise Dropped("damaged: git cannot read the contents")
                yield data[:-1]

    def _fetch_part(self, ids: list[str]) -> None:
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--stdin")
        settings = ("-c", "fetch.negotiationAlgorithm=noop", "-c", "fetch.unpackLimit=1")
        self._parts += 1
        try:
            self._ask(*settings, "fetch", *options, *self._other_end, "--", self._url, stdin=self._list(ids))
        except Dropped as dropped:
            if dropped.network:
                raise
            if len(ids) > 1 and self._parts < _MOST_PARTS:
                half = len(ids) // 2
                self._fetch_part(ids[:half])
                self._fetch_part(ids[half:])

    def _sizes(self, ids: list[str]) -> dict[str, int]:
        told = self._call("cat-file", "--batch-check", stdin=self._list(ids))
        rows = [line.split() for line in told.stdout.splitlines()]
        return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}

    def _list(self, ids: Iterable[str]) -> Path:
        path = self._folder / "wanted-ids"
        path.write_text("".join(f"{one}\n" for one in ids), encoding="ascii")
        return path

    def _call(self, *arguments: str, stdin: Path | None = None) -> subprocess.CompletedProcess[str]:
        return run_git(self._git, list(arguments), self._folder, limits=self._limits, stdin=stdin)

    def _ask(self, *arguments: str, stdin: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A call that goes to the other end: made again when the way to it fails."""
        for number in range(1, _TRIES + 1):
            done = self._call(*arguments, stdin=stdin)
            if done.returncode == 0:
                return done
            if _FULL.search(done.stderr):
                raise OSError(error_line(done))
            if _ABSENT.search(done.stderr):
                raise Dropped(f"no such commit: {error_line(done)}")
            # The address may hold any word.
            network = _NETWORK.search(done.stderr.replace(self._url, "")) is not None
            if not network or number == _TRIES:
                break
            if self._limits.stop.wait(_FIRST_WAIT_S * 4 ** (number - 1)):
                raise GitStopped("interrupted")
        raise Dropped(f"unreachable: {error_line(done)}", network=network)


def _until_nul(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while part := stream.read(1 << 16):
        *entries, rest = (rest + part).split(b"\0")
        yield from entries
        if len(rest) > 2 * _PATH_BYTES:  # the mode and the id stand before the path
            raise Dropped(_LONG)
