"""Stage folders: whole or resumable, never mixed; and files that are the old one or the new one."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.errors import InputError, StoreError
from autovcoder.records import Port
from autovcoder.store import (
    Stage,
    hash_input,
    read_jsonl,
    read_manifest,
    read_records,
    replace_folder,
    sha256_file,
    write_atomic,
    write_jsonl,
)

json_rows = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.lists(st.text()), max_size=4
)


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
            (os.POSIX_SPAWN_DUP2, ours, 0), (os.POSIX_SPAWN_DUP2, stage._lock, 9)])  # fmt: skip
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
        "import os, signal, sys\nfrom pathlib import Path\nfrom autovcoder.store import write_atomic\n"
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


@settings(deadline=None)
@given(rows=st.lists(json_rows, max_size=5), zipped=st.booleans())
def test_rows_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    assert write_jsonl(path, rows) == len(rows)
    if zipped:
        path = path.rename(path.with_suffix(".jsonl"))
        packed = path.with_name("rows.jsonl.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    assert list(read_jsonl(path)) == rows


def test_half_of_a_surrogate_pair_survives_the_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"a": "\ud83d"}, {"a": "é"}])
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [{"a": "\ud83d"}, {"a": "é"}]


@pytest.mark.parametrize(
    "line", ["{", "[1]", '"x"', '{"a": ' + "9" * 5000 + "}", '{"a":' * 100_000, "\N{BYTE ORDER MARK}{}"]
)
def test_a_line_that_is_no_json_object_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3"):
        list(read_jsonl(path))


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 255))
def test_a_damaged_gzip_is_an_input_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int
) -> None:
    path = tmp_path_factory.mktemp("gz") / "a.jsonl.gz"
    data = bytearray(gzip.compress(b"".join(b'{"a": %d}\n' % i for i in range(200)), mtime=0))
    data[place] ^= flip
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        list(read_jsonl(path))


def test_bytes_that_are_no_utf8_are_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": "\xff"}\n')
    with pytest.raises(InputError, match="cannot read the file"):
        list(read_jsonl(tmp_path / "a.jsonl"))


def test_a_row_of_another_shape_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"name": "a", "direction": "input"}, {"name": "b", "direction": "up"}])
    with pytest.raises(InputError, match=r"not a Port \(direction: .*row 2"):
        list(read_records(tmp_path / "a.jsonl", Port))


def test_an_atomic_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")
    write_atomic(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failed_atomic_write_keeps_the_old_file_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StoreError, match="cannot write"):
        write_atomic(tmp_path / "absent" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        write_atomic(tmp_path / "folder", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "folder"]


def test_an_atomic_write_goes_through_a_link_and_into_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_atomic(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomic(pipe, "module a; endmodule\n")
        assert os.read(reader, 100) == b"module a; endmodule\n"
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_made_folder_replaces_what_an_interrupted_run_left(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "half").write_text("")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "whole").write_text(json.dumps({}))
    replace_folder(tmp_path / "made", tmp_path / "target")
    assert [p.name for p in (tmp_path / "target").iterdir()] == ["whole"]
