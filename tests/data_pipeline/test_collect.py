"""Collecting, from real repositories: odd ones, hostile ones, ones that are not there; and a run that is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from autovcoder.cli.collect import collect as collect_command
from autovcoder.errors import InputError, StoreError, ToolMissing
from autovcoder.files import read_jsonl
from autovcoder.records import Repository
from autovcoder.store import read_manifest
from data_pipeline import clone
from data_pipeline.archives import read_sources
from data_pipeline.collect import CollectSettings, collect
from data_pipeline.github import Tell
from data_pipeline.sources import archive_name, distinct_names, parse_source

from .hosts import MODULE, GitHost, commit_files, git, git_host, github_host, item
from .test_licenses import MIT

TOKEN = "ghp_0123456789abcdefABCDEF"  # noqa: S105 - nobody's


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clone, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with git_host(tmp_path) as host:
        yield host


def settings(*sources: str, **more: Any) -> CollectSettings:
    return CollectSettings(sources=sources, **more)


def repositories(out: Path) -> list[Repository]:
    return [Repository.model_validate(row) for row in read_jsonl(out / "repos.jsonl")]


def reasons(out: Path) -> dict[str, str]:
    path = out / "dropped.jsonl"
    return {row["id"]: row["reason"] for row in read_jsonl(path)} if path.exists() else {}


def own_python() -> list[str]:
    """A Python that may read only what its user may, also where that is root."""
    if os.geteuid() != 0:
        return [sys.executable]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may read everything, and setpriv is missing")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search", sys.executable]


def contents(out: Path, name: str | None = None) -> dict[str, bytes]:
    """What the archive of one repository holds."""
    (chosen,) = [one for one in repositories(out) if name in (None, one.name)]
    return dict(read_sources(out, chosen))


# ---- what is taken -------------------------------------------------------------------------------


def test_rtl_and_licences_of_the_commit_are_taken_as_committed(tmp_path: Path) -> None:
    files = {
        "rtl/a.v": b"// $Id$\n" + MODULE,
        "rtl/B.SV": b"// caf\xe9, Latin-1\r\n" + MODULE.replace(b"\n", b"\r\n"),
        "inc/defs.vh": b"`define W 8\n",
        "inc/types.svh": b"typedef logic t;\n",
        "pointer.v": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
        "LICENSE": MIT.encode(),
        "lib/COPYING.txt": b"ask first\n",
        "LICENSES/MIT.txt": MIT.encode(),
        "line\nfeed.v": MODULE,
        "..v": MODULE,
        "a..b/..hidden.sv": MODULE,
        "back\\slash.v": MODULE,
        os.fsdecode(b"caf\xe9.v"): MODULE,
        ".gitattributes": b"*.v text eol=crlf ident filter=lfs\n",
        "README.md": b"no",
        "sim/main.py": b"no",
        "license_check.py": b"no",
    }
    commit = commit_files(tmp_path / "origin", files)
    (tmp_path / "origin" / "rtl" / "a.v").write_text("changed and not committed")
    manifest = collect(tmp_path / "out", settings("owner/name=origin"))
    (one,) = repositories(tmp_path / "out")
    assert (one.name, one.url, one.commit) == ("owner/name", (tmp_path / "origin").as_uri(), commit)
    assert (one.license, one.license_source, one.archive) == ("MIT", "file", "archives/owner+name.zip")
    assert one.date is not None
    assert one.date.startswith("20")
    taken = {name: data for name, data in files.items() if not name.endswith((".md", ".py", ".gitattributes"))}
    taken["caf\\xe9.v"] = taken.pop(os.fsdecode(b"caf\xe9.v"))
    assert contents(tmp_path / "out") == taken
    assert one.files == len(taken)
    assert one.bytes == sum(map(len, taken.values()))
    assert manifest.facts["repositories"] == 1
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["archives", "dropped.jsonl", "manifest.json", "repos.jsonl"]


def hostile_tree(folder: Path, *, entry: bytes) -> None:
    """Commit a tree that git itself would not make: the name of its one file is ``entry``."""
    commit_files(folder, {"good.v": MODULE})
    blob = git(folder, "hash-object", "-w", "--stdin", input=MODULE)
    good = b"100644 good.v\0" + bytes.fromhex(blob)
    bad = b"100644 " + entry + b"\0" + bytes.fromhex(blob)
    tree = git(folder, "hash-object", "-w", "-t", "tree", "--stdin", "--literally", input=bad + good)
    commit = git(folder, "commit-tree", tree, "-m", "hostile")
    git(folder, "update-ref", "HEAD", commit)


@pytest.mark.parametrize("entry", [b"../../evil.v", b"/tmp/evil.v", b".//evil.v", b"x/../../evil.v"])
def test_a_path_that_leads_out_of_the_repository_is_left_out(tmp_path: Path, entry: bytes) -> None:
    hostile_tree(tmp_path / "origin", entry=entry)
    collect(tmp_path / "out", settings("origin"))
    assert list(contents(tmp_path / "out")) == ["good.v"]
    assert reasons(tmp_path / "out") == {f"origin/{entry.decode()}": "the path leads out of the repository"}


def test_links_and_submodules_are_not_followed(tmp_path: Path, host: GitHost) -> None:
    commit_files(tmp_path / "other", {"secret.v": MODULE})
    (tmp_path / "outside.v").write_text("secret")
    commit_files(tmp_path / "origin", {"a.v": MODULE})
    (tmp_path / "origin" / "link.v").symlink_to("../outside.v")
    (tmp_path / "origin" / "folder").symlink_to("/etc")
    git(tmp_path / "origin", "submodule", "--quiet", "add", f"{host.url}/other/.git", "sub")
    git(tmp_path / "origin", "add", "-A")
    git(tmp_path / "origin", "commit", "--quiet", "-m", "links")
    host.asked.clear()
    collect(tmp_path / "out", settings(f"{host.url}/origin/.git"))
    assert contents(tmp_path / "out") == {"a.v": MODULE}
    assert [asked.path for asked in host.asked if "/other/" in asked.path] == []


def test_a_given_commit_is_taken_and_not_the_last_one(tmp_path: Path, host: GitHost) -> None:
    commit = commit_files(tmp_path / "origin", {"a.v": MODULE})
    commit_files(tmp_path / "origin", {"a.v": b"// later\n" + MODULE})
    collect(tmp_path / "out", settings(f"{host.url}/origin/.git@{commit}"))
    assert repositories(tmp_path / "out")[0].commit == commit
    assert contents(tmp_path / "out") == {"a.v": MODULE}


def test_only_what_is_wanted_is_sent_where_the_server_can_leave_the_rest_out(tmp_path: Path, host: GitHost) -> None:
    files = {"a.v": MODULE, "b/b.v": MODULE + b"\n", "big.bin": os.urandom(1_000_000)}
    commit_files(tmp_path / "origin", files)
    collect(tmp_path / "whole", settings(f"{host.url}/origin/.git"))
    assert host.sent > 1_000_000
    git(tmp_path / "origin", "config", "uploadpack.allowFilter", "true")
    host.sent = 0
    host.asked.clear()
    collect(tmp_path / "part", settings(f"{host.url}/origin/.git"))
    assert host.sent < 10_000
    assert len(host.asked) <= 6  # and not file by file
    assert repositories(tmp_path / "whole") == repositories(tmp_path / "part")
    assert read_manifest(tmp_path / "whole").sha256 == read_manifest(tmp_path / "part").sha256


def test_contents_that_the_server_lacks_cost_no_others(tmp_path: Path) -> None:
    commit_files(tmp_path / "origin", {f"m{number}.v": MODULE + b"\n" * number for number in range(9)})
    lost = git(tmp_path / "origin", "rev-parse", "HEAD:m3.v")
    (tmp_path / "origin" / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    collect(tmp_path / "out", settings("origin"))
    assert sorted(contents(tmp_path / "out")) == [f"m{number}.v" for number in range(9) if number != 3]
    assert reasons(tmp_path / "out") == {"origin/m3.v": "the repository lacks its contents"}


def test_bare_repositories_and_folders_are_sources_too(tmp_path: Path) -> None:
    commit = commit_files(tmp_path / "origin", {"a.v": MODULE})
    git(tmp_path, "clone", "--quiet", "--bare", "origin", "bare one%20.git")
    folder = tmp_path / "no repository"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "m.SV").write_bytes(MODULE * 2)
    (folder / "LICENSE").write_text("SPDX-License-Identifier: ISC\n")
    (folder / "link.v").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.v")
    collect(tmp_path / "out", settings("bare one%20.git", "no repository"))
    bare, plain = repositories(tmp_path / "out")
    assert (bare.name, bare.commit, bare.license) == ("bare_one_20", commit, None)
    assert (plain.name, plain.commit, plain.date, plain.license) == ("no_repository", plain.sha256, None, "ISC")
    assert sorted(contents(tmp_path / "out", "no_repository")) == ["LICENSE", "sub/m.SV"]


# ---- what is dropped -----------------------------------------------------------------------------


def test_a_source_that_gives_nothing_is_dropped_with_the_reason_and_stops_nobody(tmp_path: Path, host: GitHost) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    commit_files(tmp_path / "words", {"README.md": b"words"})
    commit_files(tmp_path / "good", {"a.v": MODULE})
    git(tmp_path, "clone", "--quiet", "good", "same")
    git(tmp_path / "good", "config", "uploadpack.allowFilter", "true")
    commit_files(tmp_path / "wide", {"a.v": MODULE, "generated.v": b"// " + os.urandom(500_000).hex().encode()})
    commit_files(tmp_path / "tables", {f"rom{number}.v": os.urandom(400_000).hex().encode() for number in range(3)})
    places = {
        "file": "file:///nowhere/at/all",
        "gone": f"{host.url}/gone.git",
        "commit": f"{host.url}/good/.git@{'1' * 40}",
        "empty": "empty",
        "words": "words",
        "good": "good",
        "again": f"file://{tmp_path}/good",
        "same": "same",
        "wide": "wide",
        "tables": "tables",
        "closed": "http://127.0.0.1:9/closed",
    }
    manifest = collect(
        tmp_path / "out", settings(*(f"{n}={place}" for n, place in places.items()), max_mb=2, max_file_mb=0.9)
    )
    assert [one.name for one in repositories(tmp_path / "out")] == ["good", "wide"]
    why = reasons(tmp_path / "out")
    expected = {
        "file": "unreachable: fatal: ",
        "gone": "unreachable: fatal: ",
        "commit": "no such commit: ",
        "empty": "no commit: the repository is empty",
        "words": "no RTL: no file ends in .v, .sv, .vh, .svh",
        "again": "duplicate: the same place as good",
        "same": "duplicate: the same commit as good",
        "wide/generated.v": "larger than 0.9 MiB",
        "tables": "larger than 2 MiB",
        "closed": "unreachable: fatal: unable to access",
    }
    assert {name: why[name].startswith(start) for name, start in expected.items()} == dict.fromkeys(expected, True)
    assert why.keys() == expected.keys()
    assert manifest.facts == {"sources": 11, "repositories": 2, "files": 2, "bytes": 2 * len(MODULE)}
    assert sorted(path.name for path in (tmp_path / "out" / "archives").iterdir()) == ["good.zip", "wide.zip"]


def test_a_clone_that_grows_too_large_is_ended(tmp_path: Path, host: GitHost) -> None:
    commit_files(tmp_path / "origin", {"a.v": MODULE, "big.bin": os.urandom(8_000_000)})
    collect(tmp_path / "out", settings(f"core={host.url}/origin/.git", max_mb=1))
    assert reasons(tmp_path / "out") == {"core": "larger than 1 MiB"}


def test_a_server_that_stalls_is_left_and_nothing_of_git_stays(tmp_path: Path, host: GitHost) -> None:
    commit_files(tmp_path / "origin", {"a.v": MODULE})
    host.stalled.add("origin")
    start = time.monotonic()
    collect(tmp_path / "out", settings(f"core={host.url}/origin/.git", timeout_s=0.5))
    assert time.monotonic() - start < 60
    assert reasons(tmp_path / "out") == {"core": "takes longer than 0.5 s"}
    assert [child.name() for child in psutil.Process().children(recursive=True) if "git" in child.name()] == []


def test_many_that_cannot_be_reached_in_a_row_end_the_run_and_are_tried_again(tmp_path: Path) -> None:
    commit_files(tmp_path / "good", {"a.v": MODULE})
    closed = [f"s{number}=http://127.0.0.1:9/s{number}" for number in range(10)]
    with pytest.raises(
        InputError,
        match=r"10 sources in a row cannot be reached: .* check the network and run again; unreachable: fatal",
    ):
        collect(tmp_path / "out", settings("good", *closed, jobs=1))
    assert [one.name for one in repositories(tmp_path / "out")] == ["good"]
    assert reasons(tmp_path / "out") == {}
    collect(tmp_path / "out9", settings("good", *closed[:9], jobs=1))
    assert len(reasons(tmp_path / "out9")) == 9


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_server_that_limits_or_is_down_is_asked_again(tmp_path: Path, host: GitHost, status: int) -> None:
    host.trouble = status
    collect(tmp_path / "out", settings(f"core={host.url}/tls/.git"))
    assert len(host.asked) == 3
    host.trouble = 404
    collect(tmp_path / "none", settings(f"core={host.url}/tls/.git"))
    assert len(host.asked) == 4  # whatever its address says, it is not TLS that failed


def test_a_certificate_that_is_none_is_trouble_of_the_network(tmp_path: Path, host: GitHost) -> None:
    places = [f"s{number}={host.url.replace('http:', 'https:')}/s{number}" for number in range(10)]
    with pytest.raises(InputError, match="10 sources in a row cannot be reached"):
        collect(tmp_path / "out", settings(*places, jobs=4))


def test_a_credential_helper_is_asked_and_gets_no_token(
    tmp_path: Path, host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_files(tmp_path / "closed", {"a.v": MODULE})
    host.closed.add("closed")
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\nenv >> {tmp_path}/seen\necho username=me\necho password=secret\n")
    helper.chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[credential]\n    helper = {helper}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("SOME_OTHER_SECRET", TOKEN)
    collect(tmp_path / "out", settings(f"core={host.url}/closed/.git"))
    assert contents(tmp_path / "out") == {"a.v": MODULE}
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert TOKEN not in seen


def test_a_path_of_more_than_4_kib_drops_its_source(tmp_path: Path) -> None:
    for length in (4097, 200_000):
        hostile_tree(tmp_path / f"long{length}", entry=b"x" * (length - 2) + b".v")
    collect(tmp_path / "out", settings("long4097", "long200000"))
    assert list(reasons(tmp_path / "out").values()) == ["a path of more than 4,096 bytes"] * 2


def test_of_many_files_that_are_left_out_the_rest_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_pipeline.collect._MOST_LEFT_OUT", 3)
    commit_files(tmp_path / "origin", {"a.v": MODULE} | {f"big{number}.v": b"/" * 2000 for number in range(5)})
    collect(tmp_path / "out", settings("origin", max_file_mb=0.001))
    names = [*(f"origin/big{number}.v" for number in range(3)), "origin/..."]
    assert sorted(reasons(tmp_path / "out")) == sorted(names)
    assert reasons(tmp_path / "out")["origin/..."] == "2 more files are left out"


def test_files_that_cannot_be_read_stop_nobody(tmp_path: Path) -> None:
    for name in ("core/a.v", "core/closed.v", "core/sub/b.v", "none/sub/b.v"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(MODULE)
    (tmp_path / "core" / "closed.v").chmod(0)
    run = RUN.replace('languages=("Verilog",), api=sys.argv[2]', "sources=tuple(sys.argv[2:])")
    for closed in ("core/sub", "none/sub"):
        (tmp_path / closed).chmod(0)
    command = [*own_python(), "-c", run, *(str(tmp_path / name) for name in ("out", "core", "none"))]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    for closed in ("core/sub", "none/sub"):
        (tmp_path / closed).chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == {"a.v": MODULE}
    denied = "cannot be read: Permission denied"
    assert reasons(tmp_path / "out") == {
        "core/closed.v": denied,
        "core/sub": denied,
        "none": f"no RTL that can be taken; sub: {denied}",
    }


def test_work_and_archives_of_names_that_are_alike_do_not_meet(tmp_path: Path, host: GitHost) -> None:
    for number in range(3):
        commit_files(tmp_path / f"c{number}", {"a.v": MODULE + b"\n" * number})
    names = ("a/b", "a/b.zip", "a/b.git")
    collect(tmp_path / "out", settings(*(f"{name}=c{number}" for number, name in enumerate(names)), jobs=3))
    assert tuple(one.name for one in repositories(tmp_path / "out")) == names


def test_without_git_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_files(tmp_path / "origin", {"a.v": MODULE})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="git is not on PATH; install git"):
        collect(tmp_path / "out", settings("origin"))
    assert not (tmp_path / "out").exists()


# ---- sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("olofk/serv", "olofk/serv", "https://github.com/olofk/serv"),
        ("serv=olofk/serv", "serv", "https://github.com/olofk/serv"),
        ("https://github.com/olofk/serv.git", "olofk/serv", "https://github.com/olofk/serv.git"),
        ("git@gitlab.com:group/sub/core.git", "sub/core", "git@gitlab.com:group/sub/core.git"),
        ("ssh://git@example.org/a/b", "a/b", "ssh://git@example.org/a/b"),
        ("me/mine=https://example.org/x?y=1", "me/mine", "https://example.org/x?y=1"),
        ("file:///data/my%20cores/uart.git/", "uart", "file:///data/my%20cores/uart.git/"),
    ],
)
def test_the_forms_of_a_source(tmp_path: Path, text: str, name: str, url: str) -> None:
    source = parse_source(text, tmp_path)
    assert (source.name, source.url, source.folder, source.commit) == (name, url, None, None)
    assert parse_source(f"{text}@{'A' * 40}", tmp_path).commit == "a" * 40


@pytest.mark.parametrize(
    "text",
    [
        "word",
        "a/b/c",
        "olofk/serv@v1.2",
        "-a/b",
        "--upload-pack=touch x",
        "ext::touch x",
        "ftp://example.org/x",
        "https://",
        "https://example.org/a b",
        "https://user:secret@example.org/x",
        "https://secret@example.org/x",
        "a=",
        "\0",
        "x" * 5000,
    ],
)
def test_what_is_no_source_is_refused_and_shows_no_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_source(text, tmp_path)
    assert "secret" not in str(caught.value)


@given(st.text() | st.from_regex(r"([\w./-]+=)?(https://|file://|\.{0,2}/)?[\w./@%-]+", fullmatch=True))
def test_whatever_is_written_the_name_is_one(text: str) -> None:
    try:
        source = parse_source(text, Path("/nowhere"))
    except InputError:
        return
    assert not source.url.startswith("-")
    assert set(archive_name(source.name)[len("archives/") :]).isdisjoint("/\\\0 \n")
    assert not archive_name(source.name).startswith(("archives/.", "archives/-"))


def test_names_are_distinct_in_either_case(tmp_path: Path) -> None:
    sources = [parse_source(text, tmp_path) for text in ("a/b", "A/B=c/d", "x/a-b", "file:///x/rtl", "file:///y/RTL")]
    assert [source.name for source in distinct_names(sources)] == ["a/b", "A/B-2", "x/a-b", "rtl", "RTL-2"]


def test_a_list_has_comments_and_its_own_folder_and_its_mistakes_have_a_line(tmp_path: Path) -> None:
    commit_files(tmp_path / "lists" / "core", {"a.v": MODULE})
    path = tmp_path / "lists" / "sources.txt"
    path.write_text("# cores\n\n  ours/core=core   # mine\n")
    collect(tmp_path / "out", settings(), list_file=path)
    assert [one.name for one in repositories(tmp_path / "out")] == ["ours/core"]
    path.write_text("a/b\nnot a source\n")
    with pytest.raises(InputError, match=r"sources\.txt, line 2: not a source; write owner/name"):
        collect(tmp_path / "other", settings(), list_file=path)
    with pytest.raises(InputError, match="cannot read the list"):
        collect(tmp_path / "other", settings(), list_file=tmp_path / "none")
    with pytest.raises(InputError, match="nothing to collect"):
        collect(tmp_path / "other", settings())
    assert not (tmp_path / "other").exists()


# ---- from the search, and interrupted ------------------------------------------------------------

RUN = """import sys
from pathlib import Path
from data_pipeline.collect import CollectSettings, collect
collect(Path(sys.argv[1]), CollectSettings(languages=("Verilog",), api=sys.argv[2], jobs=2))
"""


def test_a_killed_run_goes_on_without_searching_again_and_no_token_gets_out(
    tmp_path: Path, host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number in range(6):
        commit_files(tmp_path / f"core{number}", {"a.v": MODULE + b"\n" * number})
        found.append(item(number, clone_url=f"{host.url}/core{number}/.git"))
    host.stalled |= {"core3", "core2"}  # in order of stars the third and the fourth
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    out = tmp_path / "out"
    with github_host(found) as github:
        command = [sys.executable, "-c", RUN, str(out), github.url]
        run = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE)
        try:
            for _ in range(1000):
                rows = out / "repos.jsonl"
                waiting = {asked.path.split("/")[1] for asked in host.asked}
                if rows.exists() and rows.read_bytes().count(b"\n") == 2 and {"core2", "core3"} <= waiting:
                    break
                time.sleep(0.02)
            assert run.poll() is None
            assert list((out / "clones").iterdir())
            run.send_signal(signal.SIGKILL)
        finally:
            run.kill()
            run.communicate()
        before = {one.name: one for one in repositories(out)}
        host.stalled.clear()
        host.asked.clear()
        searched = len(github.asked)
        manifest = collect(out, CollectSettings(languages=("Verilog",), api=github.url, jobs=1))
        assert len(github.asked) == searched
        assert {asked.path.split("/")[1] for asked in host.asked} <= {f"core{number}" for number in range(4)}
        assert {one.name: one for one in repositories(out) if one.name in before} == before
        assert [one.name for one in repositories(out)] == [one["full_name"] for one in reversed(found)]
        assert {(one.stars, one.license, one.license_source, one.created) for one in repositories(out)} == {
            (number, "MIT", "api", "2020-01-01T01:02:03Z") for number in range(6)
        }
        assert collect(out, CollectSettings(languages=("Verilog",), api=github.url, jobs=1)) == manifest
        assert github.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert not (out / "clones").exists()
    assert not [asked for asked in host.asked if "Authorization" in asked.headers]
    assert not [path for path in out.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_two_runs_of_other_sources_do_not_mix(tmp_path: Path) -> None:
    commit_files(tmp_path / "a", {"a.v": MODULE})
    collect(tmp_path / "out", settings("a"))
    with pytest.raises(StoreError, match="another config"):
        collect(tmp_path / "out", settings("a", max_mb=7))


def test_the_same_words_in_another_folder_are_other_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("one", "two"):
        commit_files(tmp_path / folder / "core", {"a.v": MODULE})
    monkeypatch.chdir(tmp_path / "one")
    manifest = collect(tmp_path / "out", settings("core"))
    assert collect(tmp_path / "out", settings("../one/core")) == manifest
    monkeypatch.chdir(tmp_path / "two")
    with pytest.raises(StoreError, match=r"another config \(sources\)"):
        collect(tmp_path / "out", settings("core"))


def test_a_file_that_is_left_out_is_no_source_that_is_done(tmp_path: Path) -> None:
    commit_files(tmp_path / "a", {"ok.v": MODULE, "b.v": b"/" * 2000})
    commit_files(tmp_path / "other", {"c.v": MODULE * 2})
    sources = settings("a", "a/b.v=other", max_file_mb=0.001, jobs=1)

    def interrupt(line: str) -> None:
        if line.startswith("2 of 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(tmp_path / "out", sources, tell=Tell(status=interrupt))
    assert list(reasons(tmp_path / "out")) == ["a/b.v"]
    collect(tmp_path / "out", sources)
    assert [one.name for one in repositories(tmp_path / "out")] == ["a", "a/b.v"]


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_pipeline.github._FIRST_WAIT_S", 0.001)
    with github_host([item(1, language="Verilog", clone_url="http://127.0.0.1:9/x")]) as github:
        both = CollectSettings(languages=("Verilog", "SystemVerilog"), api=github.url)
        page = json.dumps({"total_count": 1, "incomplete_results": False, "items": github.items})
        github.first = [(200, {}, page), *[(500, {}, "")] * 6]
        with pytest.raises(InputError, match="cannot reach GitHub's search"):
            collect(tmp_path / "out", both)
        github.asked.clear()
        collect(tmp_path / "out", both)
        assert ["SystemVerilog" in asked.parameters["q"] for asked in github.asked] == [True]
    assert list(reasons(tmp_path / "out")) == ["owner1/core1"]
    assert len(list(read_jsonl(tmp_path / "out" / "found.jsonl"))) == 1
    assert not (tmp_path / "out" / "windows.jsonl").exists()


def test_the_rows_are_in_order_of_the_sources_whatever_ends_first(tmp_path: Path, host: GitHost) -> None:
    for number in range(4):
        commit_files(tmp_path / f"c{number}", {"a.v": MODULE + b"\n" * number})
    host.stalled.add("c0")

    def status(line: str) -> None:
        if line.startswith("3 of 4"):
            host.stalled.clear()

    sources = [f"c{number}={host.url}/c{number}/.git" for number in range(4)]
    collect(tmp_path / "out", settings(*sources, jobs=2), tell=Tell(status=status))
    assert [one.name for one in repositories(tmp_path / "out")] == ["c0", "c1", "c2", "c3"]


def test_incomplete_results_are_in_the_dropped_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_pipeline.github._INCOMPLETE_WAITS_S", (0.0,))
    with github_host([]) as github:
        github.incomplete = 9
        collect(tmp_path / "out", CollectSettings(languages=("Verilog",), api=github.url))
    (reason,) = reasons(tmp_path / "out").values()
    assert reason == "incomplete results: the search ran out of time"


@pytest.mark.parametrize("created", ["2020", "2020-01-01..2019-01-01", "2020-1-1..2021-01-01", "a..b", "2020-01-01.."])
def test_a_window_that_is_none_is_refused(created: str) -> None:
    with pytest.raises(ValueError, match=r"write it as YYYY-MM-DD\.\.YYYY-MM-DD"):
        CollectSettings(created=created)


def test_the_command_says_what_the_folder_holds(tmp_path: Path) -> None:
    commit_files(tmp_path / "core", {"a.v": MODULE})
    app = typer.Typer()
    app.command()(collect_command)
    done = CliRunner().invoke(app, ["--out", "out", "core", "--max-mb", "3"])
    assert done.exit_code == 0, done.output
    assert "1 rows in repos.jsonl" in done.stderr
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["config"]["max_mb"] == 3


# ---- archives ------------------------------------------------------------------------------------


def collected(folder: Path) -> tuple[Path, Repository, Path]:
    (folder / "core").mkdir()
    (folder / "core" / "a.v").write_bytes(MODULE)
    collect(folder / "out", settings("core"))
    (one,) = repositories(folder / "out")
    return folder / "out", one, folder / "out" / one.archive


def test_a_file_that_unpacks_to_more_than_is_allowed_is_passed_over(tmp_path: Path) -> None:
    out, one, archive = collected(tmp_path)
    size = 68_000_000
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.v", b"\0" * size)
    assert list(read_sources(out, one)) == [("a.v", MODULE)]
    # The same with a lie about its size in both places where the format tells it.
    lie = archive.read_bytes().replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    archive.write_bytes(lie)
    with pytest.raises(StoreError, match="the archive cannot be read"):
        list(read_sources(out, one))


def test_whatever_was_collected_is_read(tmp_path: Path) -> None:
    large = MODULE + b"/" * 6_000_000
    commit_files(tmp_path / "core", {"a.v": large})
    collect(tmp_path / "out", settings("core", max_file_mb=10))
    assert contents(tmp_path / "out") == {"a.v": large}
    with pytest.raises(ValueError, match="max_file_mb"):
        settings("core", max_file_mb=65)


def test_a_damaged_or_missing_archive_is_one_clear_line(tmp_path: Path) -> None:
    out, one, archive = collected(tmp_path)
    data = archive.read_bytes()
    for damaged in (b"", b"PK", data[:-10], data[:40] + b"\xff" * 20 + data[60:]):
        archive.write_bytes(damaged)
        with pytest.raises(StoreError, match="the archive cannot be read"):
            list(read_sources(out, one))
    archive.unlink()
    with pytest.raises(StoreError, match="the archive cannot be read"):
        list(read_sources(out, one))
    with pytest.raises(StoreError, match="not an archive of this folder"):
        list(read_sources(out, one.model_copy(update={"archive": "../../x.zip"})))
