"""VerilogEval v2 and RTLLM, from look-alikes of their checkouts, and from the real ones where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autovcoder.errors import InputError
from eval.answerable import contradiction
from eval.run import LIMITS
from eval.selftest import check_references
from eval.suites import load_suite
from hdl_sim.icarus import Icarus

from .benchmark_copies import RTLLM_REFERENCE, V2_HEADER, rtllm_design, verilogeval_v2

WRONG = "module TopModule (input a, output y);\n  assign y = a;\nendmodule\n"
COPIES = "module TopModule (input a, output y);\n  RefModule copy (a, y);\nendmodule\n"


@pytest.mark.parametrize("named", [".", "dataset_spec-to-rtl"])
def test_spec_to_rtl_asks_in_words_and_compares_with_the_reference_module(tmp_path: Path, named: str) -> None:
    (problem,) = load_suite("verilogeval-v2-spec-to-rtl", verilogeval_v2(tmp_path) / named)
    assert (problem.id, problem.suite, problem.category) == (
        "Prob001_invert",
        "verilogeval-v2-spec-to-rtl",
        "spec-to-rtl",
    )
    assert problem.interface is None
    assert problem.spec.startswith("I would like")
    assert problem.reference is not None
    assert problem.reference.startswith("module TopModule (")
    assert "// RefModule inverts" in problem.reference
    assert Icarus().run(problem.reference, problem.bench, LIMITS).passed
    assert Icarus().run(WRONG, problem.bench, LIMITS).status == "mismatch"


def test_code_complete_gives_the_header_apart_from_the_text(tmp_path: Path) -> None:
    (problem,) = load_suite("verilogeval-v2-code-complete", verilogeval_v2(tmp_path))
    assert problem.interface == V2_HEADER.strip()
    assert problem.spec == "Invert the input."
    assert Icarus().run(problem.reference, problem.bench, LIMITS).passed


def test_an_answer_that_instantiates_the_reference_does_not_pass(tmp_path: Path) -> None:
    (problem,) = load_suite("verilogeval-v2-spec-to-rtl", verilogeval_v2(tmp_path))
    assert Icarus().run(COPIES, problem.bench, LIMITS).status == "elaboration_error"


def test_the_data_of_the_other_task_is_refused(tmp_path: Path) -> None:
    folder = verilogeval_v2(tmp_path) / "dataset_code-complete-iccad2023"
    with pytest.raises(InputError, match="this is the data of verilogeval-v2-code-complete"):
        load_suite("verilogeval-v2-spec-to-rtl", folder)


@pytest.mark.parametrize("missing", ["Prob001_invert_ref.sv", "Prob001_invert_test.sv"])
def test_a_missing_file_of_a_problem_is_named(tmp_path: Path, missing: str) -> None:
    folder = verilogeval_v2(tmp_path) / "dataset_spec-to-rtl"
    (folder / missing).unlink()
    with pytest.raises(InputError, match=missing):
        load_suite("verilogeval-v2-spec-to-rtl", tmp_path)


@pytest.mark.parametrize("suite", ["verilogeval-v2-spec-to-rtl", "verilogeval-v2-code-complete"])
def test_a_folder_without_prompts_says_what_is_expected(tmp_path: Path, suite: str) -> None:
    with pytest.raises(InputError, match=r"expected files \*_prompt.txt"):
        load_suite(suite, tmp_path)


def test_rtllm_1_1_has_a_folder_for_each_design_and_no_groups(tmp_path: Path) -> None:
    rtllm_design(tmp_path / "flip")
    (problem,) = load_suite("rtllm-v1.1", tmp_path)
    assert (problem.id, problem.suite, problem.category) == ("flip", "rtllm-v1.1", "rtllm")
    assert problem.spec.startswith("Please write an inverter.")
    assert problem.bench.top == "testbench"
    assert problem.bench.data_files == {"values.dat": "0\n5\na\nf\n"}
    assert problem.reference == RTLLM_REFERENCE.replace("module verified_flip", "module flip")


def test_rtllm_2_0_takes_the_category_from_the_group(tmp_path: Path) -> None:
    rtllm_design(tmp_path / "Arithmetic" / "Other units" / "flip")
    (problem,) = load_suite("rtllm-v2.0", tmp_path)
    assert (problem.id, problem.category) == ("flip", "arithmetic")


def test_the_other_version_of_rtllm_is_refused(tmp_path: Path) -> None:
    rtllm_design(tmp_path / "flip")
    with pytest.raises(InputError, match="is it another version"):
        load_suite("rtllm-v2.0", tmp_path)


@pytest.mark.parametrize("finish", ["$finish;", ""])
def test_rtllm_benches_pass_with_and_without_a_finish_of_their_own(tmp_path: Path, finish: str) -> None:
    rtllm_design(tmp_path / "flip", finish=finish)
    (problem,) = load_suite("rtllm-v1.1", tmp_path)
    assert Icarus().run(problem.reference, problem.bench, LIMITS).passed
    assert problem.reference is not None
    wrong = problem.reference.replace("~a", "a")
    assert Icarus().run(wrong, problem.bench, LIMITS).status == "mismatch"


def test_rtllm_design_that_keeps_the_bench_from_its_end_does_not_pass(tmp_path: Path) -> None:
    rtllm_design(tmp_path / "flip")
    (problem,) = load_suite("rtllm-v1.1", tmp_path)
    assert problem.reference is not None
    waits = problem.bench.sources["testbench.v"].replace("if (error", "@(y); if (error")
    bench = problem.bench.model_copy(update={"sources": {"testbench.v": waits}})
    assert Icarus().run(problem.reference, bench, LIMITS).status == "no_result"


def test_rtllm_reference_that_already_has_the_name_is_left_alone(tmp_path: Path) -> None:
    code = RTLLM_REFERENCE.replace("module verified_flip", "module flip")
    rtllm_design(tmp_path / "flip", reference=code)
    assert load_suite("rtllm-v1.1", tmp_path)[0].reference == code


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("testbench.v", "module t; endmodule", "must instantiate one design"),
        ("testbench.v", "module t; a x(); b y(); endmodule", "found: a, b"),
        ("verified_flip.v", "module a; endmodule module b; endmodule", "must have one top module"),
        ("verified_other.v", "module a; endmodule", "expected one verified"),
    ],
)
def test_a_damaged_rtllm_design_is_named(tmp_path: Path, file: str, text: str, message: str) -> None:
    folder = rtllm_design(tmp_path / "flip")
    (folder / file).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_suite("rtllm-v1.1", tmp_path)
    assert str(folder) in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    folder = rtllm_design(tmp_path / "flip")
    (folder / "values.dat").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"not UTF-8 text: .*values\.dat"):
        load_suite("rtllm-v1.1", tmp_path)


def real(folder: str) -> Path:
    data = Path(os.environ.get("AUTOVCODER_DATA", "")) / folder
    if "AUTOVCODER_DATA" not in os.environ or not data.is_dir():
        pytest.skip(f"AUTOVCODER_DATA names no folder with {folder}")
    return data


@pytest.mark.parametrize(
    ("suite", "folder", "size"),
    [
        ("verilogeval-v2-spec-to-rtl", "verilog-eval-v2", 156),
        ("verilogeval-v2-code-complete", "verilog-eval-v2", 156),
        ("rtllm-v1.1", "rtllm-v1.1", 29),
        ("rtllm-v2.0", "rtllm-v2.0", 50),
    ],
)
def test_the_real_benchmarks_have_as_many_problems_as_they_say(suite: str, folder: str, size: int) -> None:
    problems = load_suite(suite, real(folder))
    assert len(problems) == size
    assert all(problem.reference for problem in problems)


@pytest.mark.parametrize(
    ("suite", "folder", "unanswerable"),
    [
        ("verilogeval-v2-spec-to-rtl", "verilog-eval-v2", {"Prob099_m2014_q6c"}),
        ("verilogeval-v2-code-complete", "verilog-eval-v2", set()),
        ("rtllm-v1.1", "rtllm-v1.1", set()),
        ("rtllm-v2.0", "rtllm-v2.0", {"freq_divbyeven", "sequence_detector"}),
    ],
)
def test_the_real_problems_that_contradict_their_bench_are_these(
    suite: str, folder: str, unanswerable: set[str]
) -> None:
    assert {problem.id for problem in load_suite(suite, real(folder)) if contradiction(problem)} == unanswerable


@pytest.mark.parametrize(
    ("folder", "failing"),
    [
        ("rtllm-v1.1", {"asyn_fifo", "div_16bit", "radix2_div"}),
        ("rtllm-v2.0", {"asyn_fifo", "clkgenerator", "radix2_div", "ring_counter"}),
    ],
)
def test_of_the_real_rtllm_all_references_pass_but_those_that_icarus_11_cannot_run(
    folder: str, failing: set[str]
) -> None:
    data, simulator = real(folder), Icarus()
    if not simulator.name.startswith("Icarus Verilog 11."):
        pytest.skip(f"the list is Icarus Verilog 11's, this is {simulator.name}")
    checks = check_references(load_suite(folder, data), simulator, LIMITS)
    assert {check.problem_id for check in checks if check.fault is not None} == failing
