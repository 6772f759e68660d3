"""cocotb benches: decided from cocotb's results file alone, confined like the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from autovcoder.errors import InputError, ToolMissing
from autovcoder.records import Bench, PassRule
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits

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


@pytest.mark.parametrize("text", ["import nowhere\n", "def x(:\n", "import cocotb\n"])
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
