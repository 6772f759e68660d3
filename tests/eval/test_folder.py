"""Problems of one's own: a YAML file each; what cannot be meant is refused with its place, and no path leaves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autovcoder.errors import ConfigError, InputError
from autovcoder.records import PassRule
from eval.run import LIMITS
from eval.suites import load_suite, suite_hash
from hdl_sim.icarus import Icarus

YAML = """spec: Drive y with the inverse of a.
header: "module flip(input a, output y);"
testbench: tb.v
reference: flip.v
"""
BENCH = """module tb;
  reg a = 0;
  wire y;
  flip dut(a, y);
  initial begin
    #1 a = 1;
    #1 if (y === 0) $display("ALL GOOD"); else $display("BAD y");
    $display("Mismatches: %0d in 1 samples", y !== 0);
    $finish;
  end
endmodule
"""
FLIP = "module flip(input a, output y);\n  assign y = ~a;\nendmodule\n"
TEST = """import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def inverts(dut):
    dut.a.value = 1
    await Timer(1, "ns")
    assert str(dut.y.value) == "0"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return problem(tmp_path / "mine" / "flip", YAML).parent


def problem(folder: Path, yaml: str, name: str = "problem.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml)
    (folder / "tb.v").write_text(BENCH)
    (folder / "flip.v").write_text(FLIP)
    (folder / "test_flip.py").write_text(TEST)
    return folder


def test_a_problem_is_read_and_decided_by_its_count_of_mismatches(folder: Path) -> None:
    (found,) = load_suite("folder", folder)
    assert (found.id, found.suite, found.category) == ("flip", "folder", "own")
    assert (found.spec, found.interface) == (
        "Drive y with the inverse of a.",
        "module flip(input a, output y);",
    )
    assert (found.bench.top, found.bench.pass_rule) == ("tb", PassRule(kind="mismatch_count"))
    assert Icarus().run(found.reference, found.bench, LIMITS).passed
    assert Icarus().run(FLIP.replace("~a", "a"), found.bench, LIMITS).status == "mismatch"


def test_a_pass_line_and_a_fail_line_decide_where_they_are_given(folder: Path) -> None:
    problem(folder / "flip", YAML + "pass_line: ^ALL GOOD$\nfail_line: ^BAD\n")
    (found,) = load_suite("folder", folder)
    assert Icarus().run(FLIP, found.bench, LIMITS).passed
    assert Icarus().run(FLIP.replace("~a", "a"), found.bench, LIMITS).status == "mismatch"


def test_a_cocotb_test_is_a_testbench_too(folder: Path) -> None:
    problem(folder / "flip", YAML.replace("tb.v", "test_flip.py"))
    (found,) = load_suite("folder", folder)
    assert (found.bench.kind, found.bench.top) == ("cocotb", "flip")
    assert Icarus().run(FLIP, found.bench, LIMITS).passed
    assert Icarus().run(FLIP.replace("~a", "a"), found.bench, LIMITS).status == "mismatch"


def test_every_yaml_file_is_a_problem_and_names_itself_by_its_file_or_its_folder(folder: Path) -> None:
    problem(folder, YAML, "other.yaml")
    problem(folder, YAML + "id: own-name\ncategory: gates\n", "third.yml")
    found = load_suite("folder", folder)
    assert [one.id for one in found] == ["flip", "other", "own-name"]
    assert found[2].category == "gates"


def test_data_and_shared_files_are_found_beside_and_above(folder: Path) -> None:
    (folder / "vectors.hex").write_text("1\n")
    (folder / "shared.v").write_text("module clock; endmodule\n")
    problem(folder / "flip", YAML.replace("tb.v", "[tb.v, ../shared.v]") + "data: [../vectors.hex]\ntop: tb\n")
    (found,) = load_suite("folder", folder)
    assert list(found.bench.sources) == ["tb.v", "shared.v"]
    assert found.bench.data_files == {"vectors.hex": "1\n"}


def test_where_the_folder_lies_is_not_part_of_its_hash(folder: Path) -> None:
    before = suite_hash(load_suite("folder", folder))
    assert suite_hash(load_suite("folder", folder.rename(folder.with_name("elsewhere")))) == before


def test_an_unknown_key_is_refused_and_the_nearest_is_named(folder: Path) -> None:
    problem(folder / "flip", YAML + "referense: flip.v\n")
    with pytest.raises(ConfigError, match="did you mean 'reference'") as caught:
        load_suite("folder", folder)
    assert "problem.yaml" in str(caught.value)


@pytest.mark.parametrize("path", ["../../secret.v", "/etc/hostname", "link.v", "../mine/../../secret.v", '"a\\0b"'])
@pytest.mark.parametrize("key", ["testbench", "reference", "data"])
def test_no_path_leaves_the_folder(folder: Path, path: str, key: str) -> None:
    (folder.parent / "secret.v").write_text(FLIP)
    lines = [line for line in YAML.splitlines() if not line.startswith(f"{key}:")]
    problem(folder / "flip", "\n".join([*lines, f"{key}: {f'[{path}]' if key == 'data' else path}", ""]))
    (folder / "flip" / "link.v").symlink_to(folder.parent / "secret.v")
    with pytest.raises(InputError, match=r"leaves the suite's folder|not a path within"):
        load_suite("folder", folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("spec:", "specc:", "unknown setting"),
        ("spec: Drive y with the inverse of a.\n", "", "Field required"),
        ("tb.v", "absent.v", "cannot read a file of the suite"),
        ("tb.v", "[tb.v, ../flip/tb.v]", "two files of one name"),
        ("tb.v", "[tb.v, notes.txt]", "not a Verilog or Python file"),
        ("tb.v", "[tb.v, tb.v]", "two files of one name"),
        ("tb.v", "tb.v\ndata: [tb.v]", "both testbench and data"),
        ("tb.v", "helper.py", r"needs a test_\*\.py"),
        ("tb.v", "test_flip.py\npass_line: x", "decides by its asserts"),
        ("tb.v", "tb.v\npass_line: '('", "not a regular expression"),
        ("tb.v", "tb.v\nfail_line: x", "goes with pass_line"),
        ("module flip(input a, output y);", "module (", "not a Verilog module header"),
        ("spec: ", "spec: [", "not valid YAML"),
        ("tb.v", "two.v", "must have one top module"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(folder: Path, old: str, new: str, message: str) -> None:
    problem(folder / "flip", YAML.replace(old, new))
    (folder / "flip" / "notes.txt").write_text("")
    (folder / "flip" / "helper.py").write_text("")
    (folder / "flip" / "two.v").write_text("module a; endmodule module b; endmodule")
    with pytest.raises(InputError, match=message) as caught:
        load_suite("folder", folder)
    assert str(folder / "flip") in str(caught.value)


def test_a_cocotb_test_needs_the_name_of_the_design(folder: Path) -> None:
    yaml = "spec: Flip.\ntestbench: test_flip.py\n"
    problem(folder / "flip", yaml)
    with pytest.raises(InputError, match="give 'header' or 'top'"):
        load_suite("folder", folder)
    problem(folder / "flip", yaml + "top: flip\n")
    assert load_suite("folder", folder)[0].bench.top == "flip"


def test_an_empty_folder_and_an_absent_one_say_what_is_expected(tmp_path: Path) -> None:
    for data in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="expected a YAML file for each problem"):
            load_suite("folder", data)


def test_the_example_of_the_guide_is_complete_and_passes(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text()
    for text in re.findall(r"^```\w+\n((?:#|//) \w+/.*?)^```$", guide, re.MULTILINE | re.DOTALL):
        path = tmp_path / text.partition("\n")[0].split()[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (found,) = load_suite("folder", tmp_path)
    assert (found.id, found.category) == ("parity", "gates")
    assert Icarus().run(found.reference, found.bench, LIMITS).passed
    assert found.reference is not None
    assert Icarus().run(found.reference.replace("^data", "^data[6:0]"), found.bench, LIMITS).status == "mismatch"
