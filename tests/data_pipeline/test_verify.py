"""Verification keeps what is proven, names every other draft's fault, and blames no draft for a fault of the tools."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autovcoder.errors import InputError, ToolFailed
from autovcoder.files import read_jsonl, read_records, write_jsonl
from autovcoder.records import Bench, CircuitType, Draft, PassRule, Problem, Verdict, VerifiedPair
from autovcoder.store import read_manifest
from data_pipeline.pair_teeth import measure_until
from data_pipeline.released_drafts import read_drafts
from data_pipeline.verify import VerifySettings, verify
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS

AUTOVCODER = str(Path(sys.executable).with_name("autovcoder"))
FEW = VerifySettings(mutants=6, least_mutants=1)

MAX = """module max3(input [2:0] a, input [2:0] b, output [2:0] y);
    assign y = a > b ? a : b;
endmodule
"""
MAX_MODEL = "def model(inputs):\n    return {'y': max(inputs['a'], inputs['b'])}\n"
MAX_BENCH = """module tb;
    reg [2:0] a, b; wire [2:0] y; integer i, bad;
    max3 dut(.a(a), .b(b), .y(y));
    initial begin
        bad = 0;
        for (i = 0; i < 64; i = i + 1) begin
            {a, b} = i; #1;
            if (y !== (a < b ? b : a)) begin bad = bad + 1; $display("wrong at %0d", i); end
        end
        if (bad == 0) $display("ALL PASSED");
        $finish;
    end
endmodule
"""
COUNT = """module count2(input clk, input rst, input en, output reg [1:0] q);
    always @(posedge clk)
        if (rst) q <= 2'd0;
        else if (en) q <= q + 2'd1;
endmodule
"""
COUNT_MODEL = """class Model:
    def __init__(self):
        self.q = None
    def step(self, inputs):
        if inputs["rst"]:
            self.q = 0
        elif inputs["en"] and self.q is not None:
            self.q = (self.q + 1) % 4
        return {"q": self.q}
"""
COUNT_BENCH = """module tb;
    reg clk, rst, en; wire [1:0] q; integer i;
    count2 dut(.clk(clk), .rst(rst), .en(en), .q(q));
    always #5 clk = ~clk;
    initial begin
        clk = 0; rst = 1; en = 1; @(negedge clk); rst = 0;
        for (i = 0; i < 8; i = i + 1) begin
            en = i != 5;
            @(negedge clk);
            if (q !== ((i < 5 ? i + 1 : i) & 3)) begin $display("wrong"); $finish; end
        end
        rst = 1; @(negedge clk);
        if (q === 0) $display("ALL PASSED");
        $finish;
    end
endmodule
"""


def _draft(
    code: str, bench: str, model: str = "", *, name: str, kind: CircuitType = "combinational", **rest: Any
) -> Draft:
    return Draft(
        id=name,
        problem=rest.get("problem", "Give the larger of a and b."),
        circuit_type=kind,
        level="easy",
        topic="test",
        code=code,
        testbench=Bench(
            kind="verilog",
            sources={"tb.v": bench},
            top=rest.get("top", "tb"),
            pass_rule=PassRule(kind="pass_line", pattern="^ALL PASSED$", fail_pattern="^wrong"),
        ),
        reference_model=model,
        teacher="test",
    )


def _write(folder: Path, *rows: Draft | dict[str, Any] | str) -> Path:
    lines = [r if isinstance(r, str) else r.model_dump_json() if isinstance(r, Draft) else json.dumps(r) for r in rows]
    path = folder / "drafts.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _reasons(out: Path) -> dict[str, tuple[str, str]]:
    """Of every dropped row the step and the code."""
    rows = read_jsonl(out / "dropped.jsonl") if (out / "dropped.jsonl").exists() else iter(())
    return {row["id"]: (row["stage"].rpartition(".")[2], row["reason"].partition(":")[0]) for row in rows}


def _pairs(out: Path) -> dict[str, VerifiedPair]:
    return {p.draft.id: p for p in read_records(out / "pairs.jsonl", VerifiedPair)}


def test_what_is_proven_is_kept_with_the_fates_of_its_mutants(tmp_path: Path) -> None:
    drafts = _write(
        tmp_path,
        _draft(MAX, MAX_BENCH, MAX_MODEL, name="model"),
        _draft(COUNT, COUNT_BENCH, COUNT_MODEL, name="clocked", kind="sequential"),
        _draft(MAX, MAX_BENCH, name="no model"),
    )
    manifest = verify(tmp_path, tmp_path / "out", FEW, Icarus())
    pairs = _pairs(tmp_path / "out")
    assert set(pairs) == {"model", "clocked", "no model"}
    assert pairs["no model"].rebuilt is None
    for name, samples in (("model", 64), ("clocked", 400)):
        assert pairs[name].rebuilt is not None
        assert pairs[name].verdict.samples == samples
    for pair in pairs.values():
        assert pair.verdict.passed
        counts = (pair.killed or 0, pair.survived or 0, pair.unknown or 0)
        assert sum(counts) >= 1
        assert counts[0] >= 0.8 * sum(counts)
    outcomes = {row["id"]: row["outcome"] for row in read_jsonl(tmp_path / "out" / "models.jsonl")}
    assert outcomes["model"] == outcomes["clocked"] == "confirmed"
    assert outcomes["no model"].startswith("model-not-callable")
    assert manifest.facts["kept"] == 3
    assert drafts.exists()


FAULTS: list[tuple[str, tuple[str, str], Draft]] = []


def _fault(step: str, code: str, design: str, bench: str, model: str = "", **rest: Any) -> None:
    FAULTS.append((code, (step, code), _draft(design, bench, model, name=code, **rest)))


_fault("compile", "syntax", MAX.replace(";\nendmodule", "\nendmodule"), MAX_BENCH)
_fault("compile", "elaboration", MAX.replace("a > b", "a > c"), MAX_BENCH)
_fault("compile", "no-code", "// nothing\n", MAX_BENCH)
_fault("compile", "forbidden", MAX.replace("assign", "initial $finish; assign"), MAX_BENCH)
_fault("synthesize", "delay", MAX.replace("assign", "assign #1"), MAX_BENCH.replace("#1;", "#2;"))
_fault("bench", "bench-does-not-compile", MAX, MAX_BENCH.replace("integer i, bad", "integer i"))
_fault("bench", "bench-does-not-fit", MAX, MAX_BENCH.replace(".b(b)", ".c(b)"))
_fault(
    "bench",
    "bench-ignores-the-design",
    MAX,
    MAX_BENCH.replace("max3 dut(.a(a), .b(b), .y(y));", "assign y = a < b ? b : a;"),
)
_fault(
    "bench", "bench-never-looks-at-an-output", MAX, MAX_BENCH.replace(", .y(y)", "").replace("if (y !==", "if (1 ===")
)
_fault("bench", "bench-passes-anything", MAX, MAX_BENCH.replace("if (bad == 0) ", "").replace("wrong", "W"))
_fault("bench", "bench-passes-a-stub", MAX, MAX_BENCH.replace("!==", "!="))
_fault("bench", "bench-gives-no-result", MAX, MAX_BENCH.replace("ALL PASSED", "fine"))
_fault("bench", "bench-does-not-end", MAX, MAX_BENCH.replace("$finish;", "forever #1 a = 0;"))
_fault("bench", "bench-wants-a-file", MAX, MAX_BENCH.replace("bad = 0;", 'bad = 0; $readmemb("in.txt", m);'))
_fault("design", "design-fails-its-bench", MAX.replace(">", "<"), MAX_BENCH)
_fault("model", "model-disagrees", MAX, MAX_BENCH, MAX_MODEL.replace("max", "min"))
_fault("model", "model-crashes", MAX, MAX_BENCH, "def model(inputs):\n    return 1 / 0\n")
_fault("model", "model-answers-badly", MAX, MAX_BENCH, "def model(inputs):\n    return 1\n")
_fault("bench", "bench-opens-any-file", MAX, MAX_BENCH.replace("bad = 0;", 'bad = $fopen({"sim", ".vvp"}, "r");'))
_fault("teeth", "weak-bench", MAX, MAX_BENCH.replace("i < 64", "i < 2"))


def test_every_fault_has_its_step_and_its_reason(tmp_path: Path) -> None:
    _write(tmp_path, *(draft for _, _, draft in FAULTS))
    verify(tmp_path, tmp_path / "out", FEW, _Hasty())
    assert _reasons(tmp_path / "out") == {name: expected for name, expected, _ in FAULTS}
    found = json.loads((tmp_path / "out" / "funnel.json").read_text())
    assert [step["reached"] - step["dropped"] for step in found["steps"]][-1] == found["kept"] == 0
    assert sum(step["dropped"] for step in found["steps"]) == len(FAULTS)
    page = (tmp_path / "out" / "funnel.md").read_text()
    assert all(f"`{name}`" in page for name, _, _ in FAULTS)


class _Hasty:
    """A real simulator that has half a second for each run, so that a bench without end ends the test's time not."""

    def __init__(self) -> None:
        self._inner = Icarus()
        self.runs = 0
        self.limits: list[Limits] = []

    @property
    def name(self) -> str:
        return self._inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        self.runs += 1
        self.limits.append(limits)
        return self._inner.run(design, bench, replace(limits, cpu_s=1))

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._inner.compile_only(design, limits)


LATCH = "module max3(input [2:0] a, input [2:0] b, output reg [2:0] y);\n    always @* if (b[0]) y = a;\nendmodule\n"
LATCH_BENCH = (
    MAX_BENCH.replace("(y !== (a < b ? b : a))", "(b[0] ? y !== a : i > 1 && y !== keep)")
    .replace("integer i, bad;", "integer i, bad; reg [2:0] keep;")
    .replace("            {a, b}", "            keep = y; {a, b}")
)


def test_a_latch_is_kept_only_where_it_is_asked_for(tmp_path: Path) -> None:
    _write(
        tmp_path,
        _draft(LATCH, LATCH_BENCH, name="asked", problem="A latch of three bits."),
        _draft(LATCH, LATCH_BENCH, name="not asked", problem="Pass a on."),
    )
    verify(tmp_path, tmp_path / "out", FEW, Icarus())
    assert _reasons(tmp_path / "out") == {"not asked": ("synthesize", "latch")}
    # No function of the inputs is a model of it.
    [outcome] = [row["outcome"] for row in read_jsonl(tmp_path / "out" / "models.jsonl")]
    assert outcome.startswith("model-not-callable")


def test_what_copies_a_benchmark_is_dropped(tmp_path: Path) -> None:
    words = "Count the rising edges of clk modulo four while en is high, from zero after a reset."
    draft = _draft(COUNT, COUNT_BENCH, COUNT_MODEL, name="clocked", kind="sequential", problem=words)
    problem = Problem(id="p1", suite="theirs", category="c", spec=words, bench=draft.testbench,
                      reference=COUNT.replace("count2", "their_name"))  # fmt: skip
    write_jsonl(tmp_path / "problems.jsonl", [problem])
    verify(_write(tmp_path, draft), tmp_path / "out", FEW, Icarus(), [tmp_path / "problems.jsonl"])
    assert _reasons(tmp_path / "out") == {"clocked": ("copy", "copies-a-benchmark")}


def test_a_bench_that_proves_nothing_is_excused_by_a_model_only_where_asked(tmp_path: Path) -> None:
    bench = MAX_BENCH.replace("if (bad == 0) ", "").replace("wrong", "W")
    _write(
        tmp_path,
        _draft(MAX, bench, MAX_MODEL, name="with model"),
        _draft(MAX, bench, name="without"),
        _draft(MAX.replace("? a : b", "? a : 0"), bench, MAX_MODEL, name="wrong"),
    )
    verify(tmp_path, tmp_path / "strict", FEW, Icarus())
    assert {code for _, code in _reasons(tmp_path / "strict").values()} == {"bench-passes-anything"}
    verify(tmp_path, tmp_path / "out", FEW.model_copy(update={"rebuilt_suffices": True}), Icarus())
    assert set(_pairs(tmp_path / "out")) == {"with model"}
    assert _reasons(tmp_path / "out")["without"] == ("bench", "bench-passes-anything")
    found = json.loads((tmp_path / "out" / "funnel.json").read_text())
    assert found["kept_though"] == {"bench-passes-anything": ["with model"]}


def test_mutants_run_once_for_each_distinct_design(tmp_path: Path) -> None:
    first = _draft(MAX, MAX_BENCH, name="one")
    second = _draft(MAX, MAX_BENCH, name="two", problem="The other words.")
    (tmp_path / "a").mkdir()
    alone, both = _Hasty(), _Hasty()
    verify(_write(tmp_path / "a", first), tmp_path / "a" / "out", FEW, alone, workers=1)
    verify(_write(tmp_path, first, second), tmp_path / "out", FEW, both, workers=1)
    pairs = _pairs(tmp_path / "out")
    assert _fates(pairs["one"]) == _fates(pairs["two"])
    # The second costs its own run and three stubs.
    assert both.runs == alone.runs + 4


def _fates(pair: VerifiedPair) -> tuple[int | None, ...]:
    return pair.killed, pair.survived, pair.equivalent, pair.unknown


# Its bench kills 10 of 12 mutants under these names, and others under others: which were drawn depends on them.
MIXED = """module m(input clk, input rst, input [3:0] d, output reg [3:0] q, output z);
    assign z = q == 4'd3;
    always @(posedge clk) if (rst) q <= 4'd5; else if (d > 4'd7) q <= q + d; else q <= q ^ d;
endmodule
"""
MIXED_BENCH = """module tb;
    reg clk = 0, rst = 1; reg [3:0] d = 9; wire [3:0] q; wire z;
    m u(.clk(clk), .rst(rst), .d(d), .q(q), .z(z));
    always #5 clk = ~clk;
    initial begin
        @(negedge clk); if (q !== 5) begin $display("wrong"); $finish; end
        rst = 0; @(negedge clk); if (q !== 14) begin $display("wrong"); $finish; end
        d = 3; @(negedge clk); if (q !== 13) begin $display("wrong"); $finish; end
        $display("ALL PASSED"); $finish;
    end
endmodule
"""


def _renamed(name: str, new: str) -> Draft:
    code, bench = (re.sub(rf"\b{name}\b", new, text) for text in (MIXED, MIXED_BENCH))
    return _draft(code, bench, name=new, kind="sequential")


def test_neither_the_order_nor_a_resumption_changes_what_is_found(tmp_path: Path) -> None:
    drafts = [_draft(MIXED, MIXED_BENCH, name="one", kind="sequential"), _renamed("rst", "start"), _renamed("q", "sum")]
    settings = VerifySettings(mutants=8, min_kill=0.0)
    found = []
    for name, rows in (("forth", drafts), ("back", drafts[::-1]), ("again", drafts)):
        (tmp_path / name).mkdir()
        file, out = _write(tmp_path / name, *rows), tmp_path / name / "out"
        if name == "again":
            with pytest.raises(ToolFailed):
                verify(file, out, settings, _BreaksAfter(13), workers=1)
            assert len(_pairs(out)) == 1
        verify(file, out, settings, Icarus(), workers=1)
        found.append({key: _fates(pair) for key, pair in _pairs(out).items()})
    assert found[0] == found[1] == found[2]
    # Or the test could not fail.
    assert len(set(found[0].values())) > 1


def test_a_slow_bench_kills_no_mutants_by_its_slowness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_pipeline.verification_steps.SLOW_S", 1)
    wait = "bad = 0; for (i = 0; i < 20000000; i = i + 1) begin end"
    slow = _draft(MAX, MAX_BENCH.replace("i < 64", "i < 2").replace("bad = 0;", wait), name="slow")
    verify(_write(tmp_path, slow), tmp_path / "out", FEW, Icarus())
    assert _reasons(tmp_path / "out") == {"slow": ("bench", "bench-too-slow")}


def test_mutants_have_several_times_what_the_design_took() -> None:
    simulator = _Hasty()
    bench = _draft(MAX, MAX_BENCH, name="one").testbench
    verdict = simulator.run(MAX, bench).model_copy(update={"seconds": 4.0})
    measure_until(MAX, "max3", bench, verdict, simulator, count=3, least=0.0)
    assert [limits.cpu_s for limits in simulator.limits[1:]] == [20] * 3


# Its output first changes after a thousand cycles; a rebuilt bench has 400.
TIMER = """module timer(input clk, input rst, output reg tick);
    reg [9:0] count;
    always @(posedge clk)
        if (rst) begin count <= 0; tick <= 0; end
        else begin tick <= count == 10'd999; count <= count == 10'd999 ? 10'd0 : count + 10'd1; end
endmodule
"""
TIMER_BENCH = """module tb;
    reg clk = 0, rst = 1; wire tick; integer i, bad = 0;
    timer dut(.clk(clk), .rst(rst), .tick(tick));
    always #5 clk = ~clk;
    initial begin
        repeat (2) begin
            rst = 1; repeat (3) @(posedge clk);
            #1 if (tick !== 0) bad = bad + 1;
            @(negedge clk) rst = 0;
            for (i = 1; i <= 2000; i = i + 1) begin
                @(posedge clk); #1;
                if (tick !== (i % 1000 == 0)) bad = bad + 1;
            end
            @(negedge clk);
        end
        if (bad) $display("wrong"); else $display("ALL PASSED");
        $finish;
    end
endmodule
"""
TIMER_MODEL = """class Model:
    def __init__(self):
        self.count = self.tick = None
    def step(self, inputs):
        if inputs["rst"]:
            self.count = self.tick = 0
        elif self.count is not None:
            self.tick = int(self.count == 999)
            self.count = (self.count + 1) % 1000
        return {"tick": self.tick}
"""


# It counts from the start, and does most of what it does after a thousand cycles.
LATE = """module late(input clk, input rst, output reg [3:0] y, output low);
    reg [9:0] count;
    assign low = count[0];
    always @(posedge clk)
        if (rst) begin count <= 0; y <= 0; end
        else if (count == 10'd999) begin
            count <= 0;
            if (y[1]) y <= y + 4'd3; else y <= {y[2:0], 1'b1};
        end else count <= count + 10'd1;
endmodule
"""
LATE_BENCH = """module tb;
    reg clk = 0, rst = 1; wire [3:0] y; wire low; reg [3:0] want; integer i, bad = 0;
    late dut(.clk(clk), .rst(rst), .y(y), .low(low));
    always #5 clk = ~clk;
    initial begin
        repeat (2) begin
            rst = 1; want = 0; repeat (3) @(posedge clk);
            #1 if (y !== 0 || low !== 0) bad = bad + 1;
            @(negedge clk) rst = 0;
            for (i = 1; i <= 8000; i = i + 1) begin
                @(posedge clk); #1;
                if (i % 1000 == 0) want = want[1] ? want + 3 : want * 2 + 1;
                if (y !== want || low !== i % 2) bad = bad + 1;
            end
            @(negedge clk);
        end
        if (bad) $display("wrong"); else $display("ALL PASSED");
        $finish;
    end
endmodule
"""
LATE_MODEL = """class Model:
    def __init__(self):
        self.count = self.y = None
    def step(self, inputs):
        if inputs["rst"]:
            self.count = self.y = 0
        elif self.count is not None:
            self.count += 1
            if self.count == 1000:
                self.count, self.y = 0, (self.y + 3 if self.y & 2 else self.y * 2 + 1) % 16
        return {"y": self.y, "low": None if self.count is None else self.count & 1}
"""


def test_a_strong_bench_stands_where_vectors_do_not_come_to_the_designs_point(tmp_path: Path) -> None:
    drafts = _write(
        tmp_path,
        _draft(TIMER, TIMER_BENCH, TIMER_MODEL, name="says nothing", kind="sequential"),
        _draft(LATE, LATE_BENCH, LATE_MODEL, name="says little", kind="sequential"),
        _draft(MAX, MAX_BENCH, "def model(inputs):\n    return {'y': None}\n", name="none"),
    )
    settings = VerifySettings(mutants=10)
    verify(drafts, tmp_path / "out", settings, Icarus())
    assert _reasons(tmp_path / "out") == {}
    assert {name: pair.rebuilt for name, pair in _pairs(tmp_path / "out").items()} == dict.fromkeys(
        ["says nothing", "says little", "none"]
    )
    outcomes = {row["id"]: row["outcome"].partition(":")[0] for row in read_jsonl(tmp_path / "out" / "models.jsonl")}
    assert outcomes == {
        "says nothing": "vectors-show-too-little", "says little": "confirmed", "none": "vectors-show-too-little",
    }  # fmt: skip
    (tmp_path / "drafts.jsonl").write_text(drafts.read_text().splitlines()[-1] + "\n")
    verify(tmp_path, tmp_path / "strict", settings.model_copy(update={"require_model": True}), Icarus())
    assert _reasons(tmp_path / "strict") == {"none": ("model", "vectors-show-too-little")}


def test_a_design_that_a_rebuilt_bench_cannot_drive_stands_on_its_own(tmp_path: Path) -> None:
    names = {"escaped": "\\m+1 ", "keyword": "\\wire ", "ours": "rebuilt_testbench"}
    _write(
        tmp_path,
        *(
            _draft(MAX.replace("max3", new), MAX_BENCH.replace("max3", new), MAX_MODEL, name=name)
            for name, new in names.items()
        ),
    )
    verify(tmp_path, tmp_path / "out", FEW.model_copy(update={"min_kill": 0.0}), Icarus())
    assert _reasons(tmp_path / "out") == {}
    assert set(_pairs(tmp_path / "out")) == set(names)
    rows = list(read_jsonl(tmp_path / "out" / "models.jsonl"))
    assert {row["outcome"].partition(":")[0] for row in rows} == {"model-not-callable"}


def test_rows_that_cannot_be_written_or_run_are_malformed(tmp_path: Path) -> None:
    good = _draft(MAX, MAX_BENCH, name="good").model_dump()
    rule = good["testbench"]["pass_rule"]
    rows = [
        good,
        good | {"id": "half", "problem": "a \ud800"},
        good | {"id": "\ud800"},
        good | {"id": "pattern", "testbench": good["testbench"] | {"pass_rule": rule | {"fail_pattern": "["}}},
        good | {"id": "row 2"},
        good | {"id": "row 6"},
    ]
    verify(_write(tmp_path, *rows), tmp_path / "out", FEW, Icarus())
    assert _reasons(tmp_path / "out") == {f"row {number}": ("read", "malformed") for number in range(2, 6)}
    assert set(_pairs(tmp_path / "out")) == {"good", "row 6"}


RELEASED = {
    "id": 7,
    "problem": "\nGive the larger of a and b.\n",
    "circuit_type": "\ncombinational logic\n",
    "verilog_code": MAX,
    "verilog_testbench": MAX_BENCH.replace("wrong at", "Test failed at").replace("ALL PASSED", "Test is OK!"),
    "python_code": "def larger(a, b):\n    return a if a > b else b\n",
    "level": "easy",
    "problem_type": "Comparator",
    "functionality_result": True,
}


def test_released_drafts_are_read_and_their_marks_counted(tmp_path: Path) -> None:
    always_ok = RELEASED["verilog_testbench"].replace("if (bad == 0) ", "")  # type: ignore[attr-defined]
    reads = always_ok.replace("bad = 0;", 'bad = 0; $readmemb("8_t.txt", m);').replace(
        "integer i", "reg [5:0] m[0:3]; integer i"
    )
    writes = "def main():\n    open('8_t.txt', 'w').write('000001\\n')\nmain()\n" + RELEASED["python_code"]  # type: ignore[operator]
    rows = [
        RELEASED,
        RELEASED | {"id": 8, "verilog_testbench": reads, "python_code": writes},
        # It says that it failed and that all is well: the failure counts.
        RELEASED | {"id": 9, "verilog_testbench": always_ok, "verilog_code": MAX.replace("a > b", "a < b")},
        RELEASED | {"id": 10, "functionality_result": False, "circuit_type": "analogue"},
        RELEASED | {"id": 11, "verilog_code": None},
        RELEASED,
    ]
    path = tmp_path / "released.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b"{not json\n[]\n"))
    manifest = verify(path, tmp_path / "out", FEW, Icarus())
    assert set(_pairs(tmp_path / "out")) == {"autovcoder-7", "autovcoder-8"}
    assert _reasons(tmp_path / "out") == {
        "autovcoder-9": ("design", "design-fails-its-bench"),
        "autovcoder-10": ("read", "malformed"),
        "autovcoder-11": ("read", "malformed"),
        **{f"row {number}": ("read", "malformed") for number in (6, 7, 8)},
    }
    assert manifest.facts["marked_correct"] == 4
    assert manifest.facts["marked_correct_kept"] == 2
    assert _pairs(tmp_path / "out")["autovcoder-8"].draft.testbench.data_files == {"8_t.txt": "000001\n"}


@pytest.mark.parametrize(
    ("statement", "rewritten"),
    [
        ('$display("Passed: %0d, Failed: %0d", i, bad);', False),
        ('begin $display("mismatch count = %0d", bad); end', False),
        ('if (bad) $display("Failed: %0d", bad);', True),
        ('if (!bad) i = 1; else begin $display("Passed: %0d, Failed: %0d", i, bad); end', True),
        ('$display("Test failed");', True),
        ('if (bad) $display("é: mismatch at %0d", i);', True),
        ('$display("all is well");', False),
    ],
)
def test_a_count_of_failures_is_no_failure(tmp_path: Path, statement: str, rewritten: bool) -> None:
    bench = (
        f"module tb; // é\n    integer i, bad;\n    initial begin if (i) i = 0; {statement} $finish; end\nendmodule\n"
    )
    path = tmp_path / "released.jsonl"
    path.write_text(json.dumps(RELEASED | {"verilog_testbench": bench}) + "\n")
    [row] = read_drafts(path)
    assert row.draft is not None
    text = row.draft.testbench.sources["tb.v"]
    assert text == (bench.replace("$display", "$error") if rewritten else bench)


def test_a_list_in_a_json_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "released.json"
    path.write_text(json.dumps([RELEASED, RELEASED | {"id": 8}]))
    assert [row.id for row in read_drafts(path)] == ["autovcoder-7", "autovcoder-8"]
    path.write_text("[1, 2")
    with pytest.raises(InputError, match="not JSON"):
        list(read_drafts(path))


class _BreaksAfter(_Hasty):
    """A real simulator that breaks after some runs, as a machine does."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self._left = runs

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        if self.runs >= self._left:
            raise ToolFailed("the machine broke")
        return super().run(design, bench, limits)


def test_a_fault_of_the_tools_drops_nothing_and_the_run_goes_on(tmp_path: Path) -> None:
    texts = [(MAX, MAX_BENCH), (MAX.replace(">", "<"), MAX_BENCH), (COUNT, COUNT_BENCH), (MAX, MAX_BENCH)]
    drafts = _write(tmp_path, *(_draft(c, b, name=str(n)) for n, (c, b) in enumerate(texts)))
    whole = tmp_path / "whole"
    verify(drafts, whole, FEW, Icarus())
    out = tmp_path / "out"
    with pytest.raises(ToolFailed):
        verify(drafts, out, FEW, _BreaksAfter(14), workers=1)
    begun = len(_reasons(out)) + len(list(read_jsonl(out / "pairs.jsonl")))
    assert 0 < begun < len(texts)
    verify(drafts, out, FEW, Icarus())
    assert _reasons(out) == _reasons(whole) == {"1": ("design", "design-fails-its-bench")}
    for folder in (out, whole):
        assert [row["draft"]["id"] for row in read_jsonl(folder / "pairs.jsonl")] == ["0", "2", "3"]
    assert (out / "funnel.json").read_bytes() == (whole / "funnel.json").read_bytes()


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    command = [AUTOVCODER, "data", "verify", "--out", str(tmp_path / "out"), "--drafts"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no drafts" in done.stderr
    assert "Traceback" not in done.stderr
    _write(tmp_path, _draft(MAX.replace(">", "<"), MAX_BENCH, name="one"))
    done = subprocess.run([*command, str(tmp_path), "--mutants", "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_manifest(tmp_path / "out").config["mutants"] == 3
    assert "funnel.md" in done.stderr


@pytest.mark.skipif("AUTOVCODER_DATA" not in os.environ, reason="AUTOVCODER_DATA is not set")
def test_the_released_drafts_can_be_read() -> None:
    rows = list(read_drafts(Path(os.environ["AUTOVCODER_DATA"]) / "autovcoder_drafts.jsonl.gz"))
    assert len(rows) == 767
    assert all(row.draft is not None for row in rows)
    assert sum(bool(row.marked_correct) for row in rows) == 545
