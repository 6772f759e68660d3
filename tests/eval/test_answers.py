"""Recorded answers: what is taken from a file, and how a damaged one is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from autovcoder.errors import InputError
from autovcoder.records import Sample, Sampling
from eval.answers import prompt_of, read_answers, to_sample

from .suite_of_two import A_AND_B, HEADER, NOT_A, design

KNOWN = {"not_a", "a_and_b"}


def write(folder: Path, rows: list[Any]) -> Path:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path, n: int | None = None) -> list[Sample]:
    return read_answers(path, [NOT_A, A_AND_B], known=KNOWN, n=n)


def test_the_prompt_holds_the_problem_and_its_interface() -> None:
    assert prompt_of(NOT_A).startswith("Drive y with ~a.")
    assert HEADER in prompt_of(NOT_A)


def test_both_names_of_the_id_are_read_and_missing_indexes_are_counted(tmp_path: Path) -> None:
    rows = [
        {"task_id": "not_a", "completion": design("~a"), "anything": 1},
        {"problem_id": "not_a", "completion": design("a")},
        {"task_id": "a_and_b", "completion": "", "index": 7},
    ]
    found = read(write(tmp_path, rows))
    assert [(s.problem_id, s.index) for s in found] == [("not_a", 0), ("not_a", 1), ("a_and_b", 7)]
    assert found[2].code is None
    assert found[0].raw == rows[0]["completion"]
    assert found[0].model == "recorded:answers.jsonl"


def test_gzipped_answers_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, [{"task_id": "not_a", "completion": "x"}])
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert [s.raw for s in read(packed)] == ["x"]


def test_n_keeps_the_first_indexes_of_each_problem(tmp_path: Path) -> None:
    rows = [{"task_id": name, "completion": "", "index": i} for name in sorted(KNOWN) for i in (2, 0, 1)]
    assert {(s.problem_id, s.index) for s in read(write(tmp_path, rows), n=2)} == {
        (p, i) for p in KNOWN for i in (0, 1)
    }


def test_answers_to_problems_that_are_not_asked_now_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, [{"task_id": "not_a", "completion": ""}, {"task_id": "a_and_b", "completion": ""}])
    assert [s.problem_id for s in read_answers(path, [A_AND_B], known=KNOWN)] == ["a_and_b"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"task_id": "other", "completion": ""}], "a problem that the suite lacks: .*row 1: other"),
        ([{"completion": ""}], "'task_id' or 'problem_id'"),
        ([{"task_id": "not_a"}], "under 'completion'"),
        ([{"task_id": "not_a", "completion": "", "index": "0"}], "under 'index'"),
        ([{"task_id": "not_a", "completion": "", "index": True}], "under 'index'"),
        ([{"task_id": "not_a", "completion": "", "index": -1}], "under 'index'"),
        ([{"task_id": "not_a", "completion": "", "index": 0}] * 2, "comes twice: .*row 2: not_a, index 0"),
        ([{"task_id": "not_a", "problem_id": "a_and_b", "completion": ""}], "names two problems: .*row 1"),
        ([{"task_id": None, "completion": ""}], "'task_id' or 'problem_id'"),
        ([{"task_id": "not_a", "completion": ["x"]}], "under 'completion': .*row 1"),
        (["not an object"], "expected a JSON object: .*line 1"),
        ([], "no answers to the suite's problems"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, rows))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{\n", "not JSON: .*line 1"),
        (b"\xff\xfe", "cannot read the file"),
        (gzip.compress(b'{"task_id": "not_a", "completion": ""}\n' * 50)[:-10], "cannot read the file"),
        (b"plain text", "cannot read the file: .*Not a gzipped file"),
    ],
    ids=["no JSON", "no text", "gzip cut off", "not gzipped"],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / ("a.jsonl.gz" if data[:2] == b"\x1f\x8b" or data == b"plain text" else "a.jsonl")
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_an_answer_that_is_only_a_body_gets_the_header(tmp_path: Path) -> None:
    code = to_sample(NOT_A, 0, "  assign y = ~a;\nendmodule\n", model="m", sampling=Sampling()).code
    assert code is not None
    assert code.startswith("module top_module")
    assert code.count("endmodule") == 1


def test_half_a_surrogate_pair_in_an_answer_does_no_harm() -> None:
    sample = to_sample(NOT_A, 0, f"// \ud83d\n{design('~a')}", model="m", sampling=Sampling())
    assert Sample.model_validate_json(sample.model_dump_json()) == sample
