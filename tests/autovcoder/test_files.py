"""Files that are the old one or the new one, and rows that survive them."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.errors import InputError, StoreError
from autovcoder.files import read_jsonl, read_records, replace_folder, write_atomic, write_jsonl
from autovcoder.records import Port

json_rows = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.lists(st.text()), max_size=4
)


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
