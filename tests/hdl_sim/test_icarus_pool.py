"""Icarus in processes of its own: the same verdicts and errors, and what becomes of a process that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autovcoder.errors import InputError, ToolMissing
from autovcoder.records import Bench, PassRule, Verdict
from hdl_sim.icarus import Icarus
from hdl_sim.icarus_pool import CRASH, IcarusPool
from hdl_sim.limits import Limits
from hdl_sim.simulator import simulate_many
from hdl_sim.waves import Dumps

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

TB = """module tb;
  reg a; wire y; integer errors = 0;
  top dut(.a(a), .y(y));
  initial begin
    a = 0; #1; if (y !== 1) errors = errors + 1;
    a = 1; #1; if (y !== 0) errors = errors + 1;
    $display("Mismatches: %0d in %0d samples", errors, 2);
    $finish;
  end
endmodule
"""
BENCH = Bench(kind="verilog", sources={"tb.sv": TB}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
GOOD = "module top(input a, output y); assign y = ~a; endmodule\n"
ENDLESS = "module top(input a, output reg y); initial forever y = a; endmodule\n"
DESIGNS = {
    "good": GOOD,
    "wrong": GOOD.replace("~", ""),
    "none": None,
    "broken": "module top(",
    "forbidden": GOOD.replace("assign", "initial $finish; assign"),
    "no such port": GOOD.replace("input a", "input b").replace("~a", "~b"),
    "half a character": GOOD + "// \ud800\n",
}


def processes(part: str, parent: int | None = None) -> list[int]:
    """Those of this machine, or of one parent, whose command line has the words."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            above = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        if part in command and parent in (None, above):
            found.append(int(path.name))
    return found


def children() -> list[int]:
    """The processes of the pool that this one started."""
    return processes("hdl_sim.icarus_process", os.getpid())


@pytest.fixture
def pool() -> Iterator[IcarusPool]:
    yield IcarusPool()
    for child in children():
        # A test that kills one must not find those of the test before it.
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_verdict_is_that_of_icarus(pool: IcarusPool, name: str) -> None:
    def plain(verdict: Verdict) -> Verdict:
        return verdict.model_copy(update={"seconds": 0.0})

    assert plain(pool.run(DESIGNS[name], BENCH)) == plain(Icarus().run(DESIGNS[name], BENCH))
    assert plain(pool.compile_only(DESIGNS[name])) == plain(Icarus().compile_only(DESIGNS[name]))
    assert pool.name == Icarus().name


def test_the_dump_is_that_of_icarus(pool: IcarusPool) -> None:
    assert isinstance(pool, Dumps)
    ours, theirs = pool.dump(GOOD, BENCH), Icarus().dump(GOOD, BENCH)
    assert ours.partition(b"$timescale")[2] == theirs.partition(b"$timescale")[2] != b""


def test_errors_keep_their_kind_and_parts(pool: IcarusPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="testbench does not compile") as error:
        pool.run(GOOD, BENCH.model_copy(update={"sources": {"tb.sv": "module"}}))
    assert error.value.fix == "test it with a working design"
    # It is asked in the environment of now, not in that of the processes that wait.
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="apt install iverilog"):
        pool.run(GOOD, BENCH)


def test_each_thread_has_a_process_and_both_are_kept(pool: IcarusPool) -> None:
    jobs = [(f"{GOOD}// {number}\n", BENCH) for number in range(20)]
    assert all(verdict.passed for verdict in simulate_many(pool, jobs, workers=2))
    started = children()
    assert len(started) == 2
    assert pool.run(GOOD, BENCH).passed
    assert children() == started


def kill_children(times: int) -> threading.Thread:
    """Kill the next processes of the pool, each once the simulator runs below it."""

    def kill() -> None:
        for _ in range(times):
            while not processes("vvp -N"):
                time.sleep(0.02)
            for child in children():
                os.kill(child, signal.SIGKILL)
            while processes("vvp -N"):
                time.sleep(0.02)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_process_killed_once_is_asked_again(pool: IcarusPool) -> None:
    thread = kill_children(1)
    verdict = pool.run(ENDLESS, BENCH, Limits(cpu_s=2))
    thread.join()
    assert verdict.status == "timeout"


def test_a_design_that_kills_its_process_twice_is_forbidden(pool: IcarusPool) -> None:
    thread = kill_children(2)
    verdict = pool.run(ENDLESS, BENCH)
    thread.join()
    assert verdict.status == "forbidden"
    assert [diagnostic.code for diagnostic in verdict.diagnostics] == [CRASH]
    assert pool.run(GOOD, BENCH).passed


def test_what_is_no_longer_wanted_is_ended_with_its_simulator(pool: IcarusPool) -> None:
    verdicts = simulate_many(pool, [(GOOD, BENCH), (ENDLESS, BENCH)], workers=2)
    assert next(verdicts).passed
    while not processes("vvp -N"):
        time.sleep(0.02)
    started = time.monotonic()
    verdicts.close()
    assert time.monotonic() - started < 6
    assert processes("vvp -N") == []


def test_nothing_outlives_the_process_that_asked() -> None:
    code = (
        "from autovcoder.records import Bench\nfrom hdl_sim.icarus_pool import IcarusPool\n"
        f"IcarusPool().run({ENDLESS!r}, Bench.model_validate_json({BENCH.model_dump_json()!r}))\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not processes("vvp -N"):
        time.sleep(0.02)
    asking.kill()
    asking.wait()
    started = time.monotonic()
    while processes("vvp -N") and time.monotonic() - started < 10:
        time.sleep(0.05)
    assert processes("vvp -N") == []
