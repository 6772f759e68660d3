"""The verdict cache: what was decided is not decided again, and nothing that matters is left out of the key."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autovcoder.errors import StoreError, ToolFailed
from autovcoder.records import Bench, PassRule, Verdict
from hdl_sim.cache import CachedSimulator, default_cache
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits

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
WRONG = GOOD.replace("~a", "a")


class Counting:
    """A simulator that counts how often it is asked; the verdicts are real."""

    def __init__(self) -> None:
        self.inner, self.asked, self.lock = Icarus(), 0, threading.Lock()

    @property
    def name(self) -> str:
        return self.inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = Limits()) -> Verdict:  # noqa: B008
        with self.lock:
            self.asked += 1
        return self.inner.run(design, bench, limits)

    def compile_only(self, design: str | None, limits: Limits = Limits()) -> Verdict:  # noqa: B008
        return self.inner.compile_only(design, limits)


def test_what_was_decided_is_not_decided_again_by_any_process(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    for counting in (first, second):
        cached = CachedSimulator(counting, tmp_path / "verdicts.sqlite")
        verdicts = [cached.run(design, BENCH) for design in (GOOD, WRONG, GOOD)]
        assert [verdict.status for verdict in verdicts] == ["pass", "mismatch", "pass"]
    assert (first.asked, second.asked) == (2, 0)


def test_kept_verdict_is_the_verdict_to_the_letter(tmp_path: Path) -> None:
    cached = CachedSimulator(Icarus(), tmp_path / "verdicts.sqlite")
    broken = "module top(input a, output y); assign y = ; endmodule\n"
    assert cached.run(broken, BENCH) == cached.run(broken, BENCH)
    assert cached.run(broken, BENCH).diagnostics


@pytest.mark.parametrize(
    ("bench", "limits"),
    [
        (BENCH.model_copy(update={"sources": {"tb.sv": TB + "\n"}}), Limits()),
        (BENCH.model_copy(update={"data_files": {"x.hex": "0"}}), Limits()),
        (BENCH.model_copy(update={"pass_rule": PassRule(kind="mismatch_count", expected_samples=2)}), Limits()),
        (BENCH, Limits(cpu_s=29)),
    ],
)
def test_another_bench_or_limit_is_another_job(tmp_path: Path, bench: Bench, limits: Limits) -> None:
    counting = Counting()
    cached = CachedSimulator(counting, tmp_path / "verdicts.sqlite")
    cached.run(GOOD, BENCH)
    cached.run(GOOD, bench, limits)
    assert counting.asked == 2


def test_changed_rules_are_another_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    cached = CachedSimulator(counting, tmp_path / "verdicts.sqlite")
    cached.run(GOOD, BENCH)
    monkeypatch.setattr("hdl_sim.cache._rules", lambda: "the rules of tomorrow")
    cached.run(GOOD, BENCH)
    assert counting.asked == 2


def test_identical_jobs_at_the_same_time_run_once(tmp_path: Path) -> None:
    counting = Counting()
    cached = CachedSimulator(counting, tmp_path / "verdicts.sqlite")
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: cached.run(GOOD, BENCH), range(24)))
    assert {verdict.status for verdict in verdicts} == {"pass"}
    assert counting.asked == 1


def test_an_error_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    cached = CachedSimulator(counting, tmp_path / "verdicts.sqlite")

    def fail(*_: object) -> Verdict:
        raise ToolFailed("no space left to simulate in")

    with monkeypatch.context() as patch:
        patch.setattr(counting, "run", fail)
        with pytest.raises(ToolFailed):
            cached.run(GOOD, BENCH)
    assert cached.run(GOOD, BENCH).passed


def test_whoever_waits_for_a_verdict_gets_it_where_it_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = CachedSimulator(Icarus(), tmp_path / "verdicts.sqlite")

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(cached, "_write", fail)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(cached.run, GOOD, BENCH) for _ in range(4)]
    failed = [future.exception() is not None for future in futures]
    assert any(failed)
    assert all(future.result().passed for future, bad in zip(futures, failed, strict=True) if not bad)


def test_damaged_cache_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="--no-cache"):
        CachedSimulator(Icarus(), path)


def test_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--no-cache"):
        CachedSimulator(Icarus(), tmp_path / "file" / "verdicts.sqlite")


def test_place_of_the_cache_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUTOVCODER_CACHE", str(tmp_path))
    assert default_cache() == tmp_path / "verdicts.sqlite"
    monkeypatch.delenv("AUTOVCODER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "autovcoder" / "verdicts.sqlite"
