"""Icarus in processes of its own: the same verdicts and errors, and what becomes of a process that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autovcoder.errors import InputError, ToolFailed, ToolMissing
from autovcoder.records import Bench, PassRule, Verdict
from hdl_sim.cache import CachedSimulator
from hdl_sim.icarus import Icarus
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.limits import Limits
from hdl_sim.pool import cut_all
from hdl_sim.run_folders import memory_folder
from hdl_sim.simulator import CRASH, simulate_many
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


def below(parent: int) -> dict[int, str]:
    """The processes below one, with their command lines."""
    above: dict[int, int] = {}
    commands: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            commands[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            above[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found = {parent}
    while more := {one for one, its in above.items() if its in found and one not in found}:
        found |= more
    return {one: commands.get(one, "") for one in found - {parent}}


def running(word: str, parent: int | None = None) -> list[int]:
    return sorted(one for one, command in below(parent or os.getpid()).items() if word in command)


def wait_until(true: Callable[[], object], seconds: float = 20) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)


@pytest.fixture
def pool() -> Iterator[IcarusPool]:
    pool = IcarusPool()
    yield pool
    pool.close()
    assert running("icarus_process") == []


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
    started = running("icarus_process")
    assert len(started) == 2
    assert pool.run(GOOD, BENCH).passed
    assert running("icarus_process") == started


def end_processes(number: signal.Signals, times: int) -> threading.Thread:
    """Send a signal to the pool's process, as often as asked, each time once the simulator runs below it."""

    def end() -> None:
        for _ in range(times):
            wait_until(lambda: running("vvp -N"))
            for one in running("icarus_process"):
                os.kill(one, number)
            wait_until(lambda: not running("vvp -N"))

    thread = threading.Thread(target=end)
    thread.start()
    return thread


def test_a_process_that_crashed_once_is_asked_again(pool: IcarusPool) -> None:
    thread = end_processes(signal.SIGSEGV, 1)
    verdict = pool.run(ENDLESS, BENCH, Limits(cpu_s=2))
    thread.join()
    assert verdict.status == "timeout"


def test_a_design_at_which_the_front_end_crashes_twice_is_forbidden_and_that_is_not_kept(
    pool: IcarusPool, tmp_path: Path
) -> None:
    cached = CachedSimulator(pool, tmp_path / "verdicts.sqlite")
    thread = end_processes(signal.SIGSEGV, 2)
    verdict = cached.run(ENDLESS, BENCH, Limits(cpu_s=2))
    thread.join()
    assert verdict.status == "forbidden"
    assert [diagnostic.code for diagnostic in verdict.diagnostics] == [CRASH]
    assert cached.run(ENDLESS, BENCH, Limits(cpu_s=2)).status == "timeout"


def test_a_process_that_was_killed_says_nothing_about_the_design(pool: IcarusPool) -> None:
    thread = end_processes(signal.SIGKILL, 1)
    with pytest.raises(ToolFailed, match="ended"):
        pool.run(ENDLESS, BENCH)
    thread.join()
    assert pool.run(GOOD, BENCH).passed


def test_a_process_that_does_not_start_says_why(
    pool: IcarusPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "hdl_sim").mkdir()
    (tmp_path / "hdl_sim" / "__init__.py").write_text("raise ImportError('no such luck')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ToolFailed, match=r"did not start.*no such luck"):
        pool.run(GOOD, BENCH)


def test_what_is_no_longer_wanted_is_ended_with_its_simulator(pool: IcarusPool) -> None:
    verdicts = simulate_many(pool, [(GOOD, BENCH), (ENDLESS, BENCH)], workers=2)
    assert next(verdicts).passed
    wait_until(lambda: running("vvp -N"))
    started = running("icarus_process")
    verdicts.close()
    assert running("vvp -N") == []
    for one in started:
        assert not list((memory_folder() or Path(tempfile.gettempdir())).glob(f"hdl_sim_{one}_*/*"))


def test_a_forked_process_has_no_part_in_the_pool(pool: IcarusPool) -> None:
    assert pool.run(GOOD, BENCH).passed
    started = running("icarus_process")
    child = os.fork()
    if child == 0:
        try:
            cut_all([threading.get_ident()])
            os._exit(0 if pool.run(GOOD, BENCH).passed and running("icarus_process") else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.run(GOOD, BENCH).passed
    assert running("icarus_process") == started


def test_nothing_outlives_the_process_that_asked() -> None:
    code = (
        "from autovcoder.records import Bench\nfrom hdl_sim.icarus_pool import IcarusPool\n"
        f"IcarusPool().run({ENDLESS!r}, Bench.model_validate_json({BENCH.model_dump_json()!r}))\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    wait_until(lambda: running("vvp -N", asking.pid))
    all_below = below(asking.pid)
    asking.kill()
    asking.wait()
    wait_until(lambda: not any(Path("/proc", str(one), "exe").exists() for one in all_below), 10)
