"""What to collect, as a person writes it: ``owner/name``, a git URL or a local path, each with a commit or a name.

Reads the words of a command line or the lines of a list; writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from autovcoder.errors import InputError

GITHUB = "https://github.com"
FORMS = "write owner/name, a git URL or a path; behind it @COMMIT (40 digits), before it NAME= where wanted"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_NAME = rf"{_PART}(?:/{_PART})?"
_NAMED = re.compile(rf"({_NAME})=(.+)")
_COMMIT = re.compile(r"(.+)@([0-9a-fA-F]{40}|[0-9a-fA-F]{64})")
_SSH = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:(?!/)([A-Za-z0-9_./~-]+)")


@dataclass(frozen=True)
class Source:
    """Where one archive comes from.

    Attributes:
        name: ``owner/name`` or a folder's name; letters, digits and ``_.-`` alone.
        url: for git. ``folder``: of plain files; then nothing is fetched.
        commit: the one to take; HEAD where None.
        license: and ``stars``, ``created``: as a search told.
    """

    name: str
    url: str
    folder: Path | None = None
    commit: str | None = None
    license: str | None = None
    stars: int | None = None
    created: str | None = None

    @property
    def key(self) -> str:
        """The same for two ways to write the same place."""
        url = self.url.rstrip("/").removesuffix(".git")
        return url.lower() if url.lower().startswith(f"{GITHUB}/") else url


def parse_source(text: str, beside: Path) -> Source:
    """One source; a relative path is relative to ``beside``.

    A path that exists is meant before a repository of GitHub's with the same name.

    Raises:
        InputError: it is none, or holds a password.
    """
    rest, name, commit = text.strip(), None, None
    if named := _NAMED.fullmatch(rest):
        name, rest = named.groups()
    if with_commit := _COMMIT.fullmatch(rest):
        rest, commit = with_commit.group(1), with_commit.group(2).lower()
    url, folder = _place(rest, text, beside)
    if folder is not None and commit is not None:
        raise InputError("a folder that is no git repository has no commits", where=text, fix="leave the commit out")
    return Source(name or _name_of(url), url, folder, commit)


def read_list(path: Path) -> Iterator[Source]:
    """The sources of a list: one a line; from ``#`` at the start of a word on, a line is a comment.

    Raises:
        InputError: the list cannot be read, or a line is no source; names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fix = getattr(error, "strerror", None) or str(error)
        raise InputError("cannot read the list", where=path, fix=fix) from None
    for number, line in enumerate(lines, start=1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text:
            try:
                yield parse_source(text, Path(path).resolve().parent)
            except InputError as error:
                raise InputError(error.what, where=f"{path}, line {number}: {error.where}", fix=error.fix) from None


def distinct_names(sources: Iterable[Source]) -> Iterator[Source]:
    """The same sources; a name that an earlier one has, in either case, gets a number."""
    taken: set[str] = set()
    for source in sources:
        name, number = source.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{source.name}-{number}"
        taken.add(name.lower())
        yield replace(source, name=name)


def archive_name(name: str) -> str:
    """The path of a source's archive in the stage folder; distinct names have distinct ones, in either case."""
    return f"archives/{name.replace('/', '+')}.zip"


def _place(rest: str, text: str, beside: Path) -> tuple[str, Path | None]:
    """The URL for git, and the folder where it is one of plain files."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", rest):
        return _checked_url(rest, text), None
    if _SSH.fullmatch(rest):
        return rest, None
    try:
        path = (beside / Path(rest).expanduser()).resolve()
        if path.is_dir():
            is_git = (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())
            return path.as_uri(), None if is_git else path
    except (OSError, RuntimeError, ValueError):
        pass
    if re.fullmatch(rf"{_PART}/{_PART}", rest):
        return f"{GITHUB}/{rest.removesuffix('.git')}", None
    raise InputError("not a source of RTL, and no folder", where=text, fix=FORMS)


def _checked_url(url: str, text: str) -> str:
    try:
        parts = urlsplit(url)
        host, password = parts.hostname, parts.password
    except ValueError:
        raise InputError("not a URL", where=text, fix=FORMS) from None
    if parts.scheme not in ("https", "http", "ssh", "git", "file") or (parts.scheme != "file" and not host):
        raise InputError("not a URL that git is given here", where=text, fix="use https, ssh, git or file")
    if password is not None or (parts.username and parts.scheme.startswith("http")):
        where = text.replace(parts.netloc, "...")
        raise InputError("the URL holds a name or password", where=where, fix="give it to git's credential helper")
    if any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise InputError("not a URL", where=text, fix="write blanks as %20")
    return url


def _name_of(url: str) -> str:
    """``owner/name`` from the last two parts of an address; of a local path the last part."""
    ssh = _SSH.fullmatch(url)
    path = ssh.group(1) if ssh else unquote(urlsplit(url).path)
    parts = [part for part in path.removesuffix("/").removesuffix(".git").split("/") if part]
    last = parts[-1:] if url.startswith("file:") else parts[-2:]
    clean = [re.sub(r"[^A-Za-z0-9_.-]", "_", part)[:100] for part in last]
    return "/".join(part if re.fullmatch(_PART, part) else f"_{part}"[:100] for part in clean) or "_"
