"""cocotb benches: decided from cocotb's results file alone, confined like the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from autovcoder.errors import InputError, ToolFailed, ToolMissing
from autovcoder.records import Bench, PassRule
from hdl_sim import cocotb_bench
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.rules import judge_cocotb
from hdl_sim.sandbox import Finished

GOOD = "module top(input [3:0] a, output [3:0] y);\n  assign y = a + 1;\nendmodule\n"
TEST = """
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def adds_one(dut):
    for value in range(16):
        dut.a.value = value
        await Timer(1, "ns")
        assert int(dut.y.value) == (value + 1) % 16

@cocotb.test()
async def is_confined(dut):
    for path in ("/etc/passwd", "/tmp/x"):
        try:
            open(path, "a").close()
        except OSError:
            continue
        raise AssertionError(path)
"""


def bench(text: str) -> Bench:
    return Bench(kind="cocotb", sources={"test_top.py": text}, top="top", pass_rule=PassRule(kind="cocotb_results"))


def test_right_design_passes() -> None:
    verdict = Icarus().run(GOOD, bench(TEST), Limits(wall_s=900, memory_mb=2048))
    assert (verdict.status, verdict.mismatches, verdict.samples) == ("pass", 0, 2), verdict.log_tail


def test_wrong_design_is_a_mismatch() -> None:
    verdict = Icarus().run(GOOD.replace("+ 1", "+ 2"), bench(TEST), Limits(wall_s=900))
    assert (verdict.status, verdict.mismatches, verdict.samples) == ("mismatch", 1, 2), verdict.log_tail


def test_design_that_does_not_compile_is_not_run() -> None:
    assert Icarus().run("module top(", bench(TEST)).status == "syntax_error"


@pytest.mark.parametrize(
    "text", ["import nowhere\n", "def x(:\n", "import cocotb\n", "import cocotb_bus\n", "import cocotb.nowhere\n"]
)
def test_python_that_does_not_load_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError, match="does not load"):
        Icarus().run(GOOD, bench(text), Limits(wall_s=900))


def test_verilog_of_the_bench_that_does_not_compile_is_an_input_error() -> None:
    broken = bench(TEST).model_copy(update={"sources": {"test_top.py": TEST, "w.v": "module w; foo = ; endmodule"}})
    with pytest.raises(InputError, match="does not compile"):
        Icarus().run(GOOD, broken)
    # A top that the design lacks is the design's.
    assert Icarus().run(GOOD.replace("top", "other"), bench(TEST)).status == "elaboration_error"


def test_bench_without_tests_is_an_input_error() -> None:
    with pytest.raises(InputError, match="test_"):
        Icarus().run(GOOD, bench(TEST).model_copy(update={"sources": {"helper.py": TEST}}))


ENDLESS = """
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def waits(dut):
    while True:
        await Timer(1, "ns")
"""


def test_bad_tests_slow_tests_and_a_missing_simulator_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"the testbench's Python does not load: test_top; .*nowhere"):
        Icarus().run(GOOD, bench("import nowhere\n"), Limits(wall_s=900))
    assert Icarus().run(GOOD, bench(ENDLESS), Limits(cpu_s=2, wall_s=900)).status == "timeout"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="iverilog is not on PATH; install it"):
        Icarus().run(GOOD, bench(TEST), Limits(wall_s=900))


def test_a_test_that_leaves_before_it_has_a_result_has_none() -> None:
    text = TEST.replace("    for value in range(16):", "    import os; os._exit(0)\n    for value in range(16):")
    assert Icarus().run(GOOD, bench(text), Limits(wall_s=900)).status == "no_result"


LIES = """
    import sys
    for lie in ("ModuleNotFoundError: No module named 'cocotb'", "Unable to find libpython", "No space left on device"):
        print(lie)
        print(lie, file=sys.stderr)
    sys.stderr.flush()
    assert False
"""


def test_what_tests_print_is_no_error_of_ours() -> None:
    text = TEST.partition("    for path")[0] + LIES
    assert Icarus().run(GOOD, bench(text), Limits(wall_s=900)).status == "mismatch"


def test_cocotb_that_does_not_start_is_tool_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    # As where the sandbox cannot read cocotb, or Python has no shared library.
    broken = "raise ModuleNotFoundError(\"No module named 'cocotb_tools'\")"
    monkeypatch.setattr(cocotb_bench, "_LAUNCH", broken)
    monkeypatch.setattr(cocotb_bench, "_CHECK", broken)
    with pytest.raises(ToolFailed, match="cocotb did not start"):
        Icarus().run(GOOD, bench(TEST), Limits(wall_s=900))


WRITES = """
    import os, resource
    {}
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("what", "status"),
    [
        # As if somebody had killed it.
        ("resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n    while True: pass", {"runtime_error", "timeout"}),
        ("open('cocotb_results.xml', 'w').write('<t>' + '<testcase/>' * 10**6 + '</t>')", {"no_result"}),
        ("os.mkfifo('cocotb_results.xml')", {"no_result"}),
        ("os.mkdir('cocotb_results.xml')", {"no_result"}),
        (
            "for n in range(50): os.posix_fallocate(os.open(str(n), 65), 0, 8 << 20)\n    while True: pass",
            {"runtime_error", "mismatch"},  # ended for its size, or its folder was full before anybody looked
        ),
    ],
    ids=["killed", "large results", "results from a pipe", "results in a folder", "large files"],
)
def test_what_tests_do_is_no_error_of_ours(what: str, status: set[str]) -> None:
    text = TEST.partition("    for path")[0] + WRITES.format(what)
    assert Icarus().run(GOOD, bench(text), Limits(wall_s=900)).status in status


def test_results_that_declare_entities_are_none_of_cocotbs() -> None:
    finished = Finished(returncode=0, stdout="", stderr="", seconds=1.0, reason="exited")
    text = "<testsuites><testsuite><testcase/></testsuite></testsuites>"
    assert judge_cocotb(text, finished).status == "pass"
    assert judge_cocotb('<!DOCTYPE t [<!ENTITY a "a">]>' + text, finished).status == "no_result"
