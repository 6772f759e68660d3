"""A benchmark's repository arrives whole, at its pinned commit, or not at all; from a real local repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from autovcoder.errors import AutoVCoderError, InputError, StoreError, ToolMissing
from eval.fetch import PINS, fetch
from eval.suites import SUITES, load_suite

from .benchmark_copies import verilogeval_v2

SUITE = "verilogeval-v2-spec-to-rtl"
NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
NAMES = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]


def git(folder: Path, *arguments: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | NOBODY
    command = ["git", *NAMES, *arguments]
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> tuple[str, str]:
    """A repository whose pinned commit is not its last one: (URL, commit)."""
    root = verilogeval_v2(tmp_path / "origin")
    git(root, "init", "--quiet")
    (root / "link").symlink_to("/etc/passwd")
    (root / "dos.txt").write_bytes(b"a\r\nb\n")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "pinned")
    commit = git(root, "rev-parse", "HEAD")
    shutil.rmtree(root / "dataset_spec-to-rtl")
    git(root, "commit", "--quiet", "-a", "-m", "later")
    return root.as_uri(), commit


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "origin")


def test_the_pinned_commit_is_checked_out_and_loads(tmp_path: Path, origin: tuple[str, str]) -> None:
    url, commit = origin
    out = tmp_path / "deep" / "copy"
    assert fetch(SUITE, out, url=url, commit=commit) == (url, commit)
    assert len(load_suite(SUITE, out)) == 1
    assert git(out, "rev-parse", "HEAD") == commit
    assert left(out.parent) == ["copy"]
    assert (out / "dos.txt").read_bytes() == b"a\r\nb\n"
    assert not (out / "link").is_symlink()
    assert out.stat().st_mode & 0o777 == 0o755


def test_a_checkout_that_is_there_is_left_alone_and_a_changed_one_is_refused(
    tmp_path: Path, origin: tuple[str, str]
) -> None:
    url, commit = origin
    fetch(SUITE, tmp_path / "copy", url=url, commit=commit)
    shutil.rmtree(tmp_path / "origin")
    fetch(SUITE, tmp_path / "copy", url=url, commit=commit)
    (tmp_path / "copy" / "dos.txt").write_text("changed")
    with pytest.raises(StoreError, match="was changed"):
        fetch(SUITE, tmp_path / "copy", url=url, commit=commit)
    with pytest.raises(StoreError, match="holds something else"):
        fetch(SUITE, tmp_path / "copy", url=url, commit="0" * 40)


def test_an_empty_folder_is_used_and_a_full_one_is_not(tmp_path: Path, origin: tuple[str, str]) -> None:
    url, commit = origin
    (tmp_path / "empty").mkdir()
    fetch(SUITE, tmp_path / "empty", url=url, commit=commit)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    with pytest.raises(StoreError, match="holds something else"):
        fetch(SUITE, tmp_path / "full", url=url, commit=commit)
    assert (tmp_path / "full" / "mine").read_text() == "kept"


def test_a_relative_path_is_a_url_too(tmp_path: Path, origin: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fetch(SUITE, Path("copy"), url="origin", commit=origin[1])
    assert len(load_suite(SUITE, tmp_path / "copy")) == 1


def test_variables_that_tie_git_to_another_repository_do_not_count(
    tmp_path: Path, origin: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    fetch(SUITE, tmp_path / "copy", url=origin[0], commit=origin[1])
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("url", "commit", "message"),
    [
        ("file:///nowhere/at/all", "1" * 40, "cannot reach the repository: file:///nowhere/at/all; fatal: "),
        ("ORIGIN", "1" * 40, f"no commit {'1' * 40}: "),
        ("ORIGIN", "--upload-pack=touch x", "no commit --upload-pack=touch x: "),
        ("--upload-pack=touch x", "1" * 40, "cannot reach the repository: --upload-pack=touch x"),
        ("ext::touch x", "1" * 40, "transport 'ext' not allowed"),
        ("http://127.0.0.1:9/none", "1" * 40, "cannot reach the repository: http://127.0.0.1:9/none; fatal: "),
    ],
)
def test_what_cannot_be_fetched_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, origin: tuple[str, str], monkeypatch: pytest.MonkeyPatch, url: str, commit: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL", raising=False)
    with pytest.raises(InputError) as caught:
        fetch(SUITE, tmp_path / "copy", url=url.replace("ORIGIN", origin[0]), commit=commit)
    assert message in str(caught.value)
    assert left(tmp_path) == []


def test_a_suite_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no repository to fetch: builtin; known: verilogeval-v1-human"):
        fetch("builtin", tmp_path / "copy")


def test_without_git_the_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="git is not on PATH; install git"):
        fetch(SUITE, tmp_path / "copy")


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path, origin: tuple[str, str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AutoVCoderError, match="cannot write"):
        fetch(SUITE, tmp_path / "file" / "copy", url=origin[0], commit=origin[1])


def test_every_pin_is_a_whole_commit_of_a_known_suite() -> None:
    assert PINS.keys() <= SUITES.keys()
    assert all(len(pin.commit) == 40 and pin.url.startswith("https://") for pin in PINS.values())
