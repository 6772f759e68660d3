"""Suites load from the users' own files, and a damaged file says which and where."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule, Problem, content_id
from eval.suites import load_suite, suite_hash, write_problems

TASK = {
    "task_id": "wire1",
    "prompt": "module top_module (\n\tinput a,\n\toutput y\n);\n",
    "canonical_solution": "\n\tassign y = a;\nendmodule\n",
    "test": "module tb; endmodule\n",
}
TEXT = {"task_id": "wire1", "detail_description": "Connect a to y.", "simple_description": "not read"}


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def human(folder: Path, tasks: list[Any], texts: list[Any]) -> Path:
    (folder / "VerilogEval_Human.jsonl").write_text(lines(tasks))
    with gzip.open(folder / "VerilogDescription_Human.jsonl.gz", "wt") as file:
        file.write(lines(texts))
    return folder


def problem(id: str, spec: str = "Do it.") -> Problem:
    bench = Bench(
        kind="verilog", sources={"tb.v": "module tb; endmodule"}, top="tb", pass_rule=PassRule(kind="pass_line")
    )
    return Problem(id=id, suite="mine", category="c", spec=spec, bench=bench)


def test_verilogeval_reads_plain_and_gzipped_files_into_problems(tmp_path: Path) -> None:
    (found,) = load_suite("verilogeval-v1-human", human(tmp_path, [TASK], [TEXT]))
    assert found.id == "wire1"
    assert found.suite == "verilogeval-v1-human"
    assert found.spec == "Connect a to y."
    assert found.interface == TASK["prompt"].strip()
    assert found.reference == TASK["prompt"] + TASK["canonical_solution"]
    assert list(found.bench.sources.values()) == [TASK["test"]]
    assert (found.bench.top, found.bench.pass_rule) == ("tb", PassRule(kind="mismatch_count"))


@pytest.mark.parametrize(
    ("tasks", "texts", "message"),
    [
        ([TASK], [], "no description of a problem"),
        ([{**TASK, "test": None}], [TEXT], "expected a text under 'test'"),
        ([{"task_id": "wire1"}], [TEXT], "expected a text under 'prompt'"),
        ([TASK, TASK], [TEXT], "two problems have the same id"),
        ([], [TEXT], "the suite holds no problems"),
        (["wire1"], [TEXT], "expected a JSON object"),
    ],
)
def test_damaged_verilogeval_files_are_named(tmp_path: Path, tasks: list[Any], texts: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_suite("verilogeval-v1-human", human(tmp_path, tasks, texts))
    assert str(tmp_path) in str(caught.value)


def test_a_missing_file_names_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_suite("verilogeval-v1-machine", tmp_path)
    assert "VerilogEval_Machine.jsonl or VerilogEval_Machine.jsonl.gz" in str(caught.value)
    with pytest.raises(InputError, match=r"problems\.jsonl"):
        load_suite("problems", tmp_path)
    with pytest.raises(InputError, match="cannot read the file"):
        load_suite("problems", tmp_path / "absent.jsonl")


@pytest.mark.parametrize("named", [".", "data"])
def test_a_checkout_of_verilogeval_is_read_from_its_root_and_from_its_data_folder(tmp_path: Path, named: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "descriptions").mkdir()
    (tmp_path / "data" / "VerilogEval_Machine.jsonl").write_text(lines([TASK]))
    (tmp_path / "descriptions" / "VerilogDescription_Machine.jsonl").write_text(lines([TEXT]))
    (found,) = load_suite("verilogeval-v1-machine", tmp_path / named)
    assert (found.id, found.category) == ("wire1", "machine")


def test_a_truncated_gzip_is_one_clear_error(tmp_path: Path) -> None:
    human(tmp_path, [TASK], [TEXT])
    path = tmp_path / "VerilogDescription_Human.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot read the file"):
        load_suite("verilogeval-v1-human", tmp_path)


def test_unknown_suite_and_missing_folder_are_errors_that_say_what_to_do() -> None:
    with pytest.raises(InputError, match=r"known: verilogeval-v1-human, .*, rtllm-v2.0, builtin, folder, problems"):
        load_suite("verilogeval", Path())
    with pytest.raises(InputError, match="--data"):
        load_suite("verilogeval-v1-human", None)
    with pytest.raises(InputError, match="leave --data out"):
        load_suite("builtin", Path())


def test_written_problems_load_again_from_the_folder_and_from_the_file(tmp_path: Path) -> None:
    problems = [problem("a"), problem("b", "Grüße, 8-bit ≥ 3")]
    path = write_problems(problems, tmp_path)
    assert load_suite("problems", tmp_path) == problems
    assert load_suite("problems", path) == problems


def test_a_row_that_is_no_problem_is_named(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text(problem("a").model_dump_json() + '\n{"id": "b"}\n')
    with pytest.raises(InputError, match="row 2"):
        load_suite("problems", path)


def test_suite_hash_changes_with_content_and_not_with_order() -> None:
    a, b = problem("a"), problem("b")
    assert suite_hash([a, b]) == suite_hash([b, a])
    assert suite_hash([a, b]) != suite_hash([a])
    assert suite_hash([a, b]) != suite_hash([a, problem("b", "Do it!")])


def test_suite_hash_is_of_what_was_given_so_that_a_record_may_gain_a_field() -> None:
    rule = {"kind": "pass_line"}
    bench = {"kind": "verilog", "sources": {"tb.v": "module tb; endmodule"}, "top": "tb", "pass_rule": rule}
    given = {"id": "a", "suite": "mine", "category": "c", "spec": "Do it.", "bench": bench}
    assert suite_hash([problem("a")]) == content_id(content_id(given))


@pytest.mark.skipif("AUTOVCODER_DATA" not in os.environ, reason="AUTOVCODER_DATA names no folder with VerilogEval")
def test_the_real_verilogeval_has_156_and_143_problems() -> None:
    data = Path(os.environ["AUTOVCODER_DATA"]) / "verilogeval_v1"
    for name, size in (("verilogeval-v1-human", 156), ("verilogeval-v1-machine", 143)):
        problems = load_suite(name, data)
        assert len(problems) == size
        assert all(p.interface and p.interface.startswith("module top_module") for p in problems)
        assert all(p.interface and p.interface.endswith(");") for p in problems)
