"""Servers on this machine for the tests of collecting: one answers as GitHub's search does, one serves git."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
NAMES = ["-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "protocol.file.allow=always"]
MODULE = b"module inverter (input a, output y);\n    assign y = ~a;\nendmodule\n"


def git(folder: Path, *arguments: str, input: bytes | None = None) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | NOBODY
    command = ["git", *NAMES, *arguments]
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, input=input)
    return done.stdout.decode().strip()


def commit_files(folder: Path, files: dict[str, bytes]) -> str:
    """Add files to a repository, made when missing; returns the new commit."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet")
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "more")
    return git(folder, "rev-parse", "HEAD")


@dataclass
class Asked:
    """A request that a server got."""

    path: str
    headers: dict[str, str]
    answered: int = 0
    at: float = 0.0

    @property
    def parameters(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}


@dataclass
class Host:
    """A server: where it is, and what it was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving(host: Host, handler: type[BaseHTTPRequestHandler]) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class GithubHost(Host):
    """Answers ``/search/repositories``; before that, each element of ``first`` once: (status, headers, body)."""

    items: list[dict[str, Any]] = field(default_factory=list)
    first: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    incomplete: int = 0
    """How many answers say that their results are incomplete."""
    dripping: bool = False
    """Whether blanks follow each answer, now and then one."""


def item(number: int, language: str = "Verilog", created: str = "2020-01-01", **more: Any) -> dict[str, Any]:
    """A search result; more stars for a higher number."""
    name = f"owner{number % 7}/core{number}"
    url = f"https://example.org/{name}.git"
    known = {"full_name": name, "clone_url": url, "stargazers_count": number, "license": {"spdx_id": "MIT"}}
    return known | {"language": language, "created_at": f"{created}T01:02:03Z"} | more


@contextmanager
def github_host(items: list[dict[str, Any]]) -> Iterator[GithubHost]:
    host = GithubHost(items=items)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            asked = Asked(self.path, dict(self.headers), at=time.monotonic())
            host.asked.append(asked)
            status, headers, body = host.first.pop(0) if host.first else _search(host, asked)
            if status == 0:  # break the connection off
                self.close_connection = True
                return
            asked.answered = status
            self.send_response_only(status)
            data = body.encode()
            for name, value in {"Date": formatdate(usegmt=True), "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # whoever asked may have gone
                self.wfile.write(data)
                while host.dripping:
                    self.wfile.write(b" ")
                    time.sleep(0.02)

    with serving(host, Handler):
        try:
            yield host
        finally:
            host.dripping = False


def _search(host: GithubHost, asked: Asked) -> tuple[int, dict[str, str], str]:
    parameters = asked.parameters
    match = re.fullmatch(r'language:"(.+)" created:(.{10})\.\.(.{10}) stars:>=(\d+)', parameters["q"])
    assert match, parameters["q"]
    language, first, last, stars = match.groups()
    per_page, page = int(parameters["per_page"]), int(parameters["page"])
    if per_page > 100 or page * per_page > 1000:
        return 422, {}, json.dumps({"message": "Only the first 1000 search results are available"})
    found = [
        one
        for one in host.items
        if one["language"] == language and first <= one["created_at"][:10] <= last
        if one["stargazers_count"] >= int(stars)
    ]
    found.sort(key=lambda one: -one["stargazers_count"])
    host.incomplete -= 1
    body = {"total_count": len(found), "incomplete_results": host.incomplete >= 0}
    return 200, {}, json.dumps(body | {"items": found[(page - 1) * per_page : page * per_page]})


@dataclass
class GitHost(Host):
    """Serves the repositories below a folder over HTTP, as git's own backend does.

    Attributes:
        stalled: the first parts of paths that wait. ``closed``: of those that ask for a name and a password, any.
        trouble: what all is answered with instead of a repository, where not 0.
    """

    sent: int = 0
    stalled: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    trouble: int = 0


@contextmanager
def git_host(root: Path) -> Iterator[GitHost]:
    host = GitHost()
    program = shutil.which("git")
    assert program is not None

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            host.asked.append(Asked(self.path, dict(self.headers)))
            parts = urlsplit(self.path)
            while any(parts.path.startswith(f"/{name}/") for name in host.stalled):
                time.sleep(0.02)
            length = int(self.headers.get("Content-Length") or 0)
            refused = parts.path.split("/")[1] in host.closed and "Authorization" not in self.headers
            if refused or host.trouble:
                self.send_response_only(host.trouble or 401)
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.end_headers()
                return
            env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | NOBODY
            env |= {"GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command}
            env |= {"PATH_INFO": parts.path, "QUERY_STRING": parts.query, "CONTENT_LENGTH": str(length)}
            env |= {"CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1"}
            env |= {"GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
            env |= {"HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
            done = subprocess.run(
                [program, "http-backend"], env=env, input=self.rfile.read(length), capture_output=True, check=False
            )
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
            try:
                self.send_response_only(int(headers.pop("Status", "200").split()[0]))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                host.sent += len(body)
            except OSError:
                pass  # whoever asked was ended

    with serving(host, Handler):
        try:
            yield host
        finally:
            host.stalled.clear()
