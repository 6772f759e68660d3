"""Stage folders: whole or resumable, never mixed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autovcoder.errors import InputError, StoreError
from autovcoder.files import read_jsonl, sha256_file
from autovcoder.records import Port
from autovcoder.store import Stage, hash_input, read_manifest


def finished(folder: Path, **settings: Any) -> Path:
    with Stage(folder, "test.stage", config=settings, seed=1) as stage:
        stage.append("rows.jsonl", {"a": 1})
        stage.finish(kept=1)
    return folder


def test_a_finished_folder_says_what_it_holds_and_how_it_was_made(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("x")
    with Stage(
        tmp_path / "s", "test.stage", config={"k": (1, 2)}, inputs={"in": source}, versions={"tool": "9"}
    ) as stage:
        stage.append("rows.jsonl", {"a": 1})
        stage.append("rows.jsonl", Port(name="clk", direction="input"))
        stage.drop("b", "too long")
        (stage.folder / "deep").mkdir()
        (stage.folder / "deep" / "blob.bin").write_bytes(b"\0\1")
        assert not stage.done
        stage.finish(kept=2)
        assert stage.done
    manifest = read_manifest(tmp_path / "s")
    assert manifest.rows == {"rows.jsonl": 2, "dropped.jsonl": 1}
    assert manifest.sha256["deep/blob.bin"] == sha256_file(tmp_path / "s" / "deep" / "blob.bin")
    assert manifest.inputs == {"in": sha256_file(source)}
    assert (manifest.config, manifest.facts, manifest.versions["tool"]) == ({"k": [1, 2]}, {"kept": 2}, "9")
    assert list(read_jsonl(tmp_path / "s" / "dropped.jsonl")) == [
        {"id": "b", "stage": "test.stage", "reason": "too long"}
    ]
    assert not (tmp_path / "s" / "stage.json").exists()


def test_a_finished_stage_is_done_for_the_same_settings_and_refused_for_others(tmp_path: Path) -> None:
    folder = finished(tmp_path / "s", steps=3)
    assert Stage(folder, "test.stage", config={"steps": 3}, seed=1).done
    for name, config, seed, message in [
        ("test.stage", {"steps": 4}, 1, r"another config \(steps\)"),
        ("test.stage", {"steps": 3, "more": 1}, 1, r"another config \(more\)"),
        ("test.other", {"steps": 3}, 1, "another stage"),
        ("test.stage", {"steps": 3}, 2, "another seed"),
    ]:
        with pytest.raises(StoreError, match=message):
            Stage(folder, name, config=config, seed=seed)


def test_a_changed_input_is_noticed_before_and_after_the_end(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("old")
    with Stage(tmp_path / "s", "t", config={}, inputs={"in": source}) as stage:
        stage.append("rows.jsonl", {})
    source.write_text("new")
    with pytest.raises(StoreError, match=r"another inputs \(in\)"):
        Stage(tmp_path / "s", "t", config={}, inputs={"in": source})


def test_a_killed_stage_resumes_from_its_whole_rows(tmp_path: Path) -> None:
    code = (
        "import sys, itertools\nfrom pathlib import Path\nfrom autovcoder.store import Stage\n"
        "stage = Stage(Path(sys.argv[1]), 't', config={})\n"
        "for i in itertools.count(): stage.append('rows.jsonl', {'i': i, 'text': 'x' * 500})\n"
    )
    folder = tmp_path / "s"
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    try:
        give_up = time.monotonic() + 30
        while not ((folder / "rows.jsonl").exists() and (folder / "rows.jsonl").stat().st_size > 50_000):
            assert time.monotonic() < give_up
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    with (folder / "rows.jsonl").open("a") as file:
        file.write('{"i": 99')
    with Stage(folder, "t", config={}) as stage:
        rows = list(stage.rows("rows.jsonl"))
        assert [row["i"] for row in rows] == list(range(len(rows)))
        stage.append("rows.jsonl", {"i": len(rows)})
        assert stage.finish().rows["rows.jsonl"] == len(rows) + 1


def test_unfinished_work_is_not_continued_under_other_versions_but_finished_work_stays(tmp_path: Path) -> None:
    with Stage(tmp_path / "s", "t", config={}, versions={"tool": "1"}) as stage:
        stage.append("rows.jsonl", {})
    with pytest.raises(StoreError, match=r"another version \(tool\)"):
        Stage(tmp_path / "s", "t", config={}, versions={"tool": "2"})
    with Stage(tmp_path / "s", "t", config={}, versions={"tool": "1"}) as stage:
        stage.finish()
    assert Stage(tmp_path / "s", "t", config={}, versions={"tool": "2"}).done


def test_a_second_run_is_kept_out_until_the_first_ends_or_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom autovcoder.store import Stage\n"
        "with Stage(Path(sys.argv[1]), 't', config={}) as stage:\n"
        "    stage.append('rows.jsonl', {})\n    print('open', flush=True)\n    time.sleep(600)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        for config in ({}, {"other": 1}):
            with pytest.raises(StoreError, match="another run is writing here"):
                Stage(tmp_path, "t", config=config)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with Stage(tmp_path, "t", config={}) as stage, pytest.raises(StoreError, match="another run is writing here"):
        Stage(tmp_path, "t", config={})
    with Stage(tmp_path, "t", config={}) as stage:
        stage.finish()
        assert Stage(tmp_path, "t", config={}).done


def test_a_lock_is_gone_with_its_stage_though_a_forked_child_lives(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    with Stage(tmp_path, "t", config={}) as stage:
        stage.start()
        child = os.posix_spawn("/bin/sh", ["sh", "-c", "read line"], {}, file_actions=[
            (os.POSIX_SPAWN_DUP2, ours, 0), (os.POSIX_SPAWN_DUP2, stage._lock._handle, 9)])  # fmt: skip
    try:
        with Stage(tmp_path, "t", config={}):
            pass
    finally:
        os.write(theirs, b"\n")
        os.waitpid(child, 0)
        os.close(ours)
        os.close(theirs)


def test_a_refused_run_leaves_the_folder_open_to_the_right_one(tmp_path: Path) -> None:
    with Stage(tmp_path, "t", config={"k": 1}) as stage:
        stage.start()
    with pytest.raises(StoreError, match="another config"):
        Stage(tmp_path, "t", config={"k": 2})
    with Stage(tmp_path, "t", config={"k": 1}) as stage:
        stage.finish()


def test_a_run_that_fails_before_its_first_row_does_not_lock_its_folder(tmp_path: Path) -> None:
    for folder in (tmp_path / "new", tmp_path / "old"):
        (tmp_path / "old").mkdir(exist_ok=True)
        with pytest.raises(InputError), Stage(folder, "t", config={"typo": 1}):
            raise InputError("mistyped")
        assert [path.name for path in tmp_path.iterdir()] == ["old"], "a folder made for nothing is removed"
        with Stage(folder, "t", config={"right": 1}) as stage:
            stage.append("rows.jsonl", {})
        with pytest.raises(StoreError, match="another config"):
            Stage(folder, "t", config={"typo": 1})
        shutil.rmtree(folder)


def test_a_started_stage_is_locked_to_its_settings_before_its_first_row(tmp_path: Path) -> None:
    with Stage(tmp_path, "t", config={"k": 1}) as stage:
        stage.start()
        (tmp_path / "weights.bin").write_bytes(b"1")
    with pytest.raises(StoreError, match="another config"):
        Stage(tmp_path, "t", config={"k": 2})


def test_what_a_killed_write_left_is_removed_and_never_part_of_the_data(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom autovcoder.files import write_atomic\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(Path(sys.argv[1]) / 'report.md', 'half')\n"
    )
    plain = hash_input(tmp_path)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert hash_input(tmp_path) == plain
    (tmp_path / "deep").mkdir()
    shutil.copy(left, tmp_path / "deep")
    with Stage(tmp_path, "t", config={}) as stage:
        assert not left.exists()
        shutil.copy(tmp_path / "deep" / left.name, left)
        assert stage.finish().sha256 == {}


@pytest.mark.parametrize("text", ["", "[]", '{"stage": ', "\udcff"])
def test_a_damaged_start_mark_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "stage.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StoreError):
        Stage(tmp_path, "t", config={})


def test_a_damaged_or_missing_manifest_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a finished stage folder"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"stage": 1}')
    with pytest.raises(StoreError, match="cannot be read"):
        Stage(tmp_path, "t", config={})


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot use the folder"):
        Stage(tmp_path / "file", "t", config={})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error_of_ours_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"cannot write: .*No space left"), Stage(tmp_path, "t", config={}) as stage:
        stage.append("rows.jsonl", {"a": 1})


def test_the_same_data_made_twice_is_the_same_input(tmp_path: Path) -> None:
    one, two = finished(tmp_path / "1"), finished(tmp_path / "2")
    assert hash_input(one) == hash_input(two)
    with Stage(tmp_path / "3", "test.stage", config={}, seed=1) as stage:
        stage.append("rows.jsonl", {"a": 2})
        stage.finish()
    assert hash_input(tmp_path / "3") != hash_input(one)
    with pytest.raises(InputError, match="cannot read the file"):
        hash_input(tmp_path / "absent")
