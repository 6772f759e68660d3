"""Hostile designs: none passes, each gets the status that it is owed, and nothing of it is left.

Each file in ``hostile/`` is one design that is wrong and tries to pass, to harm, or to stay. Its first lines say what
it tries, the status owed (``owed line``, ``owed cocotb``: on that bench, where it differs), and which benches it passes
under the naive procedure, `iverilog` and `vvp` and a look at the output.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from autovcoder.records import Bench, PassRule, Verdict
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.run_folders import folder_prefix, memory_folder
from hdl_sim.sandbox import active_layers, open_sandbox
from hdl_sim.slang import MAX_CODE_BYTES
from hdl_sim.tools import find_tool
from hdl_sim.workers import _POOL

FOLDER = Path(__file__).with_name("hostile")
HONEST = (FOLDER / "benches" / "honest_design.sv").read_text()
MARK = "c4n4ry-0f-the-h0st"
# Wide where a busy machine decides, narrow where the design does.
LIMITS = Limits(wall_s=120, cpu_s=1, memory_mb=256)
BOUND_S = 90.0
COCOTB = """
import cocotb
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from cocotb.clock import Clock

@cocotb.test()
async def ands(dut):
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for value in range(0, 256, 7):
        await FallingEdge(dut.clk)
        dut.a.value, dut.b.value = value >> 4, value & 15
        await RisingEdge(dut.clk)
        await Timer(1, "ns")
        assert int(dut.q.value) == (value >> 4) & (value & 15)
"""
BENCHES = {
    "counts": Bench(
        kind="verilog",
        sources={"tb.sv": (FOLDER / "benches" / "counts.sv").read_text()},
        top="tb",
        pass_rule=PassRule(kind="mismatch_count"),
    ),
    "line": Bench(
        kind="verilog",
        sources={"testbench.sv": (FOLDER / "benches" / "line.sv").read_text()},
        top="testbench",
        pass_rule=PassRule(kind="pass_line"),
    ),
    "cocotb": Bench(
        kind="cocotb", sources={"test_top.py": COCOTB}, top="top_module", pass_rule=PassRule(kind="cocotb_results")
    ),
}


@dataclass(frozen=True)
class Hostile:
    name: str
    text: bytes
    notes: dict[str, str]

    def owed(self, bench: str) -> list[str]:
        owed = (self.notes.get(f"owed {bench}") or self.notes["owed"]).split(" or ")
        # A bench that only says when a design passed does not say that one failed.
        return ["no_result" if bench == "line" and status == "mismatch" else status for status in owed]

    @property
    def naive(self) -> set[str]:
        return set(re.findall(r"counts|line", self.notes["naive"]))


def load(path: Path) -> Hostile:
    text = path.read_bytes()
    return Hostile(path.stem, text, dict(re.findall(r"^// ([a-z ]+): (.*)$", text.decode(errors="replace"), re.M)))


DESIGNS = [load(path) for path in sorted(FOLDER.glob("*.sv"))]
# What the naive procedure may be shown without danger to the machine.
HARMLESS = {
    "ends the simulation", "prints the verdict", "looks into the testbench", "forces or drives the testbench",
    "redefines macros or modules",
}  # fmt: skip
REACHES_OUT = {"reads the host", "writes the host"}


@pytest.fixture(scope="module")
def icarus() -> Icarus:
    simulator = Icarus()
    for name in ("counts", "line"):
        assert simulator.run(HONEST, BENCHES[name]).passed
    return simulator


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of the user and a variable of the environment, both with a secret; afterwards all is as it was."""
    monkeypatch.setenv("HDL_SIM_CANARY", MARK)
    path = tmp_path / "canary.txt"
    path.write_text(f"{MARK}\n")
    before, running = places(), left_running()
    yield path
    assert path.read_text() == f"{MARK}\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["canary.txt"]
    assert places() == before
    assert set(left_running()) <= set(running)  # a test of something else may have begun a process that it keeps


def places() -> set[str]:
    """What lies in the folders of idle workers, which should be nothing, and in ours."""
    ours = Path(memory_folder() or tempfile.gettempdir()).glob(f"{folder_prefix()}*/*")
    apart = [entry for worker in _POOL._idle for entry in worker.folder.iterdir()]
    return {str(entry) for entry in [*ours, *apart, *FOLDER.iterdir(), *Path.cwd().iterdir()]}


def left_running() -> list[str]:
    """Command lines of our descendants, but for workers; one that is apart has itself as a child."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            command = process.cmdline()
            if command and "hdl_sim.confine" not in " ".join(command):
                found.append(" ".join(command)[:100])
        except psutil.NoSuchProcess:
            continue
    return found


def text_of(design: Hostile, canary: Path) -> str:
    text = design.text.replace(b"@CANARY@", str(canary).encode()).replace(b"@BYTES@", b"\xff\xfe\xc0\x80")
    return text.decode(errors="replace")


def check(verdict: Verdict, owed: list[str]) -> None:
    said = verdict.model_dump_json()
    assert not verdict.passed
    assert verdict.status in owed, said
    assert MARK not in said
    assert Path("/etc/passwd").read_text().splitlines()[0] not in said
    if verdict.status == "forbidden":
        assert verdict.diagnostics
        assert all(d.severity == "error" and len(d.message) > 20 for d in verdict.diagnostics)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_hostile_design_gets_what_it_is_owed_and_leaves_nothing(design: Hostile, icarus: Icarus, canary: Path) -> None:
    text = text_of(design, canary)
    for name in ("counts", "line"):
        started = time.monotonic()
        check(icarus.run(text, BENCHES[name], LIMITS), design.owed(name))
        assert time.monotonic() - started < BOUND_S
    check_with_cocotb(design, text, icarus)


def check_with_cocotb(design: Hostile, text: str, icarus: Icarus) -> None:
    """Where a run is cheap: Python takes longer to start than most designs to be refused."""
    owed = design.owed("cocotb")
    if owed == ["forbidden"] or design.name in ("endless_loop", "redefine_testbench", "input_is_ground"):
        check(icarus.run(text, BENCHES["cocotb"], Limits(wall_s=120, cpu_s=4)), owed)


@pytest.mark.parametrize(
    "design", [design for design in DESIGNS if design.notes["naive"] != "not run"], ids=lambda design: design.name
)
def test_the_naive_procedure_passes_what_the_file_says(design: Hostile, tmp_path: Path) -> None:
    (tmp_path / "design.sv").write_bytes(design.text)
    passed = set()
    for name in ("counts", "line"):
        bench = BENCHES[name]
        (tmp_path / "bench.sv").write_text("".join(bench.sources.values()))
        compiled = ["iverilog", "-g2012", "-s", bench.top, "-o", "sim", "bench.sv", "design.sv"]
        subprocess.run(compiled, cwd=tmp_path, capture_output=True, timeout=60)
        if (tmp_path / "sim").exists():
            done = subprocess.run(["vvp", "-n", "sim"], cwd=tmp_path, capture_output=True, timeout=60)  # noqa: S607
            said = done.stdout.decode(errors="replace")
            counts = re.search(r"Mismatches: (\d+) in \d+ samples", said)
            if (counts is not None and counts[1] == "0") if name == "counts" else "Passed" in said:
                passed.add(name)
            (tmp_path / "sim").unlink()
    assert passed == design.naive


@pytest.mark.parametrize(
    "design", [design for design in DESIGNS if design.notes["class"] in REACHES_OUT], ids=lambda design: design.name
)
def test_the_sandbox_alone_keeps_the_host_whole(design: Hostile, icarus: Icarus, canary: Path) -> None:
    """The second wall: what such a design does where nothing has refused it."""
    if not any("Landlock" in layer for layer in active_layers()):
        pytest.skip("this kernel has no Landlock")
    driver, simulator = find_tool("iverilog"), find_tool("vvp")
    with open_sandbox(LIMITS, programs=[driver, simulator]) as sandbox:
        folder = sandbox.folder
        (folder / "bench.sv").write_text("".join(BENCHES["line"].sources.values()))
        (folder / "design.sv").write_text(text_of(design, canary))
        compiled = [str(driver), "-g2012", "-s", "testbench", "-o", "sim.vvp", "bench.sv", "design.sv"]
        done = [sandbox.run(compiled, limits=LIMITS)]
        if (folder / "sim.vvp").exists():
            (folder / "bench.sv").unlink()
            done.append(sandbox.run([str(simulator), "-n", "sim.vvp"], limits=LIMITS))
        said = "".join(finished.stdout + finished.stderr for finished in done)
    assert MARK not in said
    assert Path("/etc/passwd").read_text().splitlines()[0] not in said
    assert "overwritten" not in said


MADE = {
    "fifty megabytes": ("// " + "x" * 50_000_000 + "\n", {"forbidden"}),
    "as much as is read": ("// " + "x" * (MAX_CODE_BYTES - 1000) + "\n", {"no_code"}),
    "a hundred thousand forbidden names": ("$finish " * 100_000, {"forbidden"}),
    "a hundred thousand syntax errors": ("module ; ) ( " * 70_000, {"syntax_error", "forbidden"}),
    "a sum of a hundred thousand terms": (HONEST.replace("a & b", "a" + " + b" * 100_000), {"forbidden"}),
    "a hundred thousand indices": (HONEST.replace("a & b", "a" + "[0]" * 100_000), {"forbidden"}),
    "a sum in brackets in a sum": (HONEST.replace("a & b", "(" * 900 + "a" + ("+a" * 100 + ")") * 900), {"forbidden"}),
    "a sum made by a macro": (
        "`define A " + "+a" * 1000 + "\n" + HONEST.replace("a & b", "a" + "`A" * 1000), {"forbidden"}),
    "half of a surrogate pair": (HONEST.replace("a & b", "a | b") + "// \ud800\n", {"mismatch"}),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_text_too_large_to_be_a_file_here_is_judged_in_time(name: str, icarus: Icarus, canary: Path) -> None:
    text, owed = MADE[name]
    started = time.process_time()
    verdict = icarus.run(text, BENCHES["counts"], LIMITS)
    assert verdict.status in owed, verdict.model_dump_json()[:1000]
    assert len(verdict.model_dump_json()) < 200_000
    assert time.process_time() - started < 30


def test_there_are_enough_designs_of_each_class() -> None:
    classes = {design.notes["class"] for design in DESIGNS}
    assert len(DESIGNS) >= 50
    assert classes >= HARMLESS | REACHES_OUT
    assert len(classes) == 13
    assert sum(bool(design.naive) for design in DESIGNS) >= 40
    assert {d.notes["class"] for d in DESIGNS if d.notes["naive"] != "not run"} == HARMLESS
    assert os.environ.get("HDL_SIM_CANARY") is None
