"""Verdicts from Icarus Verilog: every status, hostile designs, and whose fault a failure is."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from autovcoder.errors import InputError, ToolFailed, ToolMissing
from autovcoder.records import Bench, PassRule
from hdl_sim import forbidden, toolchain
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.run_folders import folder_prefix, memory_folder, sweep
from hdl_sim.simulator import simulate_many
from hdl_sim.testbench import bench_from_text, strip_dumps

GOOD = "module top(input a, input b, output y);\n  assign y = a & b;\nendmodule\n"
WRONG = GOOD.replace("&", "|")
TB = """`timescale 1ns/1ps
`define SECRET 1
module tb;
  reg a, b; wire y; integer errors = 0, n = 0, i;
  top dut(.a(a), .b(b), .y(y));
  initial begin
    $dumpfile("wave.vcd"); $dumpvars(0, tb);
    for (i = 0; i < 4; i = i + 1) begin
      {a, b} = i; #5; n = n + 1;
      if (y !== (a & b)) errors = errors + 1;
    end
    #1 $finish;
  end
  final $display("Mismatches: %1d in %1d samples", errors, n);
endmodule
"""
COUNTED = Bench(
    kind="verilog", sources={"tb.sv": TB}, top="tb", pass_rule=PassRule(kind="mismatch_count", expected_samples=4)
)


def said(ending: str, line: str = "Your Design Passed") -> Bench:
    """A user's own testbench that prints the line when the design is right, and ends in the given way."""
    return bench_from_text(
        "module tb; reg a, b; wire y; top dut(a, b, y);\n"
        f'initial begin {{a, b}} = 1; #5; if (y === 0) $display("{line}"); {ending} end endmodule\n'
    )


@pytest.fixture(scope="module")
def icarus() -> Icarus:
    return Icarus()


def test_bench_with_a_secret_prints_it_and_the_verdict_does_not(
    icarus: Icarus, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = COUNTED.pass_rule.model_copy(update={"secret": True})
    text = TB.replace('"Mismatches', '"@SECRET@ Mismatches')
    bench = COUNTED.model_copy(update={"sources": {"tb.sv": text}, "pass_rule": rule})
    verdict = icarus.run(GOOD, bench)
    assert (verdict.status, verdict.log_tail) == ("pass", " Mismatches: 0 in 4 samples\n")
    assert icarus.run(WRONG, bench).status == "mismatch"
    # Even a design that may print cannot forge such a line: it does not know the word.
    monkeypatch.setattr(forbidden, "ALLOWED_SYSTEM_NAMES", forbidden.ALLOWED_SYSTEM_NAMES | {"$display", "$finish"})
    forged = INITIAL.format('initial begin $display("Mismatches: 0 in 4 samples"); $finish; end')
    assert icarus.run(forged, bench).status == "no_result"
    with pytest.raises(InputError, match="@SECRET@"):
        icarus.run(GOOD, COUNTED.model_copy(update={"pass_rule": rule}))


def test_instances_and_ports_in_one_statement_are_read(icarus: Icarus) -> None:
    helper = "module inv(input i, output o); assign o = ~i; endmodule\n"
    design = GOOD.replace("assign y = a & b;", "wire n, m; inv x(a, n), z(b, m); nor g(y, n, m);")
    assert icarus.run(design + helper, COUNTED).status == "pass"


def test_an_output_on_a_net_that_the_bench_drives_is_refused_whatever_way_it_is_connected(icarus: Icarus) -> None:
    hostile = "module top(output a, output b, output y); assign (supply1, supply0) a = 0; assign y = 0; endmodule\n"
    for link in (".a(a), .b(b), .y(y)", "a, b, y", ".*", ".a, .b, .y"):
        text = TB.replace("reg a, b;", "wire a, b; reg c, d; assign a = c, b = d;").replace(".a(a), .b(b), .y(y)", link)
        bench = COUNTED.model_copy(update={"sources": {"tb.sv": text.replace("{a, b} = i", "{c, d} = i")}})
        assert icarus.run(GOOD, bench).status == "pass"
        assert icarus.run(hostile, bench).status == "forbidden"


def test_bus_that_the_bench_lets_go_of_may_be_driven(icarus: Icarus) -> None:
    design = "module top(inout bus, input out); assign bus = out ? 1'b1 : 1'bz; endmodule\n"
    bench = bench_from_text(
        "module tb; reg out = 0; wire bus; assign bus = out ? 1'bz : 1'b0; top dut(bus, out);\n"
        'initial begin #1 out = 1; #1 if (bus === 1) $display("Your Design Passed"); $finish; end endmodule\n'
    )
    assert icarus.run(design, bench).status == "pass"


def test_right_design_passes(icarus: Icarus) -> None:
    verdict = icarus.run(GOOD, COUNTED)
    assert (verdict.status, verdict.stage, verdict.mismatches, verdict.samples) == ("pass", "simulate", 0, 4)
    assert verdict.simulator.startswith("Icarus Verilog 1")
    assert 0 < verdict.seconds < 60


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_design_with_other_line_ends_passes(icarus: Icarus, end: str) -> None:
    assert icarus.run(GOOD.replace("\n", end), COUNTED).status == "pass"


SELECTS_TOO_MUCH = GOOD.replace("  assign y = a & b", "  wire [1:0] w = 0;\n  assign y = a & b & (w[5:2] === 4'bx)")
WARNED = {
    "by the compiler": (SELECTS_TOO_MUCH, "elaboration_error", "elaborate"),
    "by nobody": (GOOD, "pass", "simulate"),
}


@pytest.mark.parametrize("who", WARNED)
def test_a_design_that_is_warned_of_fails_under_the_official_rule_alone(icarus: Icarus, who: str) -> None:
    design, status, stage = WARNED[who]
    official = COUNTED.model_copy(update={"pass_rule": PassRule(kind="quiet_mismatch_count")})
    assert icarus.run(design, COUNTED).status == "pass"
    verdict = icarus.run(design, official)
    assert (verdict.status, verdict.stage) == (status, stage)
    assert {d.severity for d in verdict.diagnostics} <= {"warning"}
    assert icarus.run(design.replace("assign y =", "assign y = 1 |"), official).status != "pass"


def test_a_message_on_standard_error_while_it_runs_fails_under_the_official_rule_alone(icarus: Icarus) -> None:
    text = TB.replace("#1 $finish;", '$fdisplay(32\'h8000_0002, "hm"); #1 $finish;')
    bench = COUNTED.model_copy(update={"sources": {"tb.sv": text}})
    assert icarus.run(GOOD, bench).status == "pass"
    verdict = icarus.run(GOOD, bench.model_copy(update={"pass_rule": PassRule(kind="quiet_mismatch_count")}))
    assert (verdict.status, verdict.stage) == ("runtime_error", "simulate")


def test_wrong_design_is_a_mismatch(icarus: Icarus) -> None:
    verdict = icarus.run(WRONG, COUNTED)
    assert (verdict.status, verdict.mismatches, verdict.samples) == ("mismatch", 2, 4)


@pytest.mark.parametrize(
    ("design", "status", "line"),
    [
        (None, "no_code", None),
        ("  \n", "no_code", None),
        ("// only a comment\n", "no_code", None),
        ("module top(input a, input b, output y);\n  assign y = ;\nendmodule\n", "syntax_error", 2),
        ("module top(input a, input b, output y);\n\n  assign y = nothing;\nendmodule\n", "elaboration_error", 3),
        ("module top(input a, input b, output y);\n  sub s(a, b, y);\nendmodule\n", "elaboration_error", 2),
    ],
)
def test_broken_designs_with_their_lines(icarus: Icarus, design: str | None, status: str, line: int | None) -> None:
    for verdict in (icarus.run(design, COUNTED), icarus.compile_only(design)):
        assert verdict.status == status
        assert line is None or line in {d.line for d in verdict.diagnostics}


@pytest.mark.parametrize(
    "design", [GOOD.replace("top", "other"), GOOD.replace("input b", "input c").replace("& b", "& c")]
)
def test_design_with_another_interface_is_an_elaboration_error(icarus: Icarus, design: str) -> None:
    assert icarus.compile_only(design).status == "pass"
    verdict = icarus.run(design, COUNTED)
    assert verdict.status == "elaboration_error"
    assert any("in the testbench" in d.message for d in verdict.diagnostics)


def test_compile_only_passes_what_compiles(icarus: Icarus) -> None:
    verdict = icarus.compile_only(WRONG)
    assert (verdict.status, verdict.stage, verdict.diagnostics) == ("pass", "elaborate", ())


@pytest.mark.parametrize(
    "bench",
    [
        TB.replace("integer", "integre integer"),
        TB.replace("errors = errors + 1", "erors = 1"),
        TB.replace("module tb", "module bt"),
        TB.replace("#1 $finish", "$no_such_task; #1 $finish"),
    ],
)
def test_broken_testbench_is_an_input_error(icarus: Icarus, bench: str) -> None:
    with pytest.raises(InputError):
        icarus.run(GOOD, COUNTED.model_copy(update={"sources": {"tb.sv": bench}}))


@pytest.mark.parametrize("name", ["../tb.sv", "/tmp/tb.sv", "a/b.sv", "", ".", "a..b.sv", "tb.sv\n", "-o.sv"])
def test_file_names_that_could_leave_the_folder_are_refused(icarus: Icarus, name: str) -> None:
    with pytest.raises(InputError):
        icarus.run(GOOD, COUNTED.model_copy(update={"sources": {name: TB}}))
    with pytest.raises(InputError):
        icarus.run(GOOD, COUNTED.model_copy(update={"data_files": {name: "x"}}))


def test_data_files_lie_beside_the_simulation(icarus: Icarus) -> None:
    text = TB.replace("{a, b} = i;", "{a, b} = mem[i];").replace(
        "integer errors", "reg [1:0] mem [0:3]; integer errors"
    )
    text = text.replace("$dumpfile", '$readmemh("vectors.hex", mem); $dumpfile')
    bench = COUNTED.model_copy(update={"sources": {"tb.sv": text}, "data_files": {"vectors.hex": "3\n3\n3\n3\n"}})
    assert icarus.run(WRONG, bench).status == "pass"
    assert icarus.run(WRONG, COUNTED).status == "mismatch"


def test_header_files_are_found(icarus: Icarus) -> None:
    bench = COUNTED.model_copy(update={"sources": {"tb.sv": '`include "defs.vh"\n' + TB, "defs.vh": "`define X 1\n"}})
    assert icarus.run(GOOD, bench).status == "pass"


@pytest.mark.parametrize(
    ("bench", "design", "status"),
    [
        (said("$finish;"), GOOD, "pass"),
        (said("$finish;", "Mismatches: 0 in 4 samples"), GOOD, "pass"),
        (said("$finish;"), WRONG, "no_result"),
        (said(""), GOOD, "no_result"),  # it ended for want of anything to do
        (said("$stop;"), GOOD, "no_result"),
        (said('$error("bad"); $finish;'), GOOD, "mismatch"),
        (said('$fatal(1, "bad");'), GOOD, "mismatch"),
        (said('$warning("hm"); $finish;'), GOOD, "pass"),
        (said('$display("Your Design Passed"); $finish;'), GOOD, "no_result"),  # twice
        (said("$finish;", "Test is OK!"), GOOD, "no_result"),
    ],
)
def test_pass_line_benches(icarus: Icarus, bench: Bench, design: str, status: str) -> None:
    assert icarus.run(design, bench).status == status


SLOW = """module tb;
  reg a = 0;
  wire y;
  top dut(a, a, y);
  initial begin
    repeat (1000) #100000 a = ~a;
    $display("Your Design Passed");
    $finish;
  end
endmodule
"""


@pytest.mark.parametrize("scale", ["", "`timescale 1ns/1fs\n"])
def test_a_bench_without_a_timescale_is_not_cut_off_before_its_end(icarus: Icarus, scale: str) -> None:
    bench = Bench(kind="verilog", sources={"tb.v": SLOW}, top="tb", pass_rule=PassRule(kind="pass_line"))
    assert icarus.run(scale + GOOD, bench).status == "pass"


def test_a_bench_that_has_no_finish_may_end_by_itself_when_its_rule_says_so(icarus: Icarus) -> None:
    bench = said("")
    rule = bench.pass_rule.model_copy(update={"needs_finish": False})
    assert icarus.run(GOOD, bench.model_copy(update={"pass_rule": rule})).status == "pass"
    assert icarus.run(WRONG, bench.model_copy(update={"pass_rule": rule})).status == "no_result"


def test_own_pass_line(icarus: Icarus) -> None:
    text = said("$finish;", "Test is OK!").sources["testbench.sv"]
    assert icarus.run(GOOD, bench_from_text(text, pass_line="is OK!$")).passed  # noqa: S106 - no password


def test_top_of_a_users_testbench_is_found() -> None:
    helper = "module clock(output reg c); initial c = 0; endmodule\n"
    assert bench_from_text(helper + "module my_tb; wire c; clock k(c); top dut(); endmodule").top == "my_tb"
    with pytest.raises(InputError, match="one top"):
        bench_from_text("module a; endmodule module b; endmodule")
    with pytest.raises(InputError, match="line 2"):
        bench_from_text("module a;\n wire = ;\nendmodule")


INITIAL = GOOD.replace("endmodule", "  {}\nendmodule")
HOSTILE = {
    "finish": (INITIAL.format("initial $finish;"), "forbidden"),
    "stop": (INITIAL.format("initial #1 $stop;"), "forbidden"),
    "prints the pass line": (INITIAL.format('initial $display("Mismatches: 0 in 4 samples");'), "forbidden"),
    "prints at the end": (INITIAL.format('final $write("Your Design Passed");'), "forbidden"),
    "reads a file": (INITIAL.format('integer f; initial f = $fopen("/etc/passwd", "r");'), "forbidden"),
    "includes a file": ('`include "/etc/passwd"\n' + GOOD, "forbidden"),
    "forces the testbench": (INITIAL.format("initial force tb.errors = 0;"), "forbidden"),
    "looks into the testbench": (GOOD.replace("a & b", "tb.dut.b & tb.a"), "forbidden"),
    "resets the counter": (INITIAL.format("always @* tb.errors = 0;"), "forbidden"),
    "looks upwards": (GOOD.replace("a & b", "dut.a & b"), "forbidden"),
    "looks at a sibling": (GOOD.replace("a & b", "good1.y") + "module refm(output y); assign y = 0; endmodule\n"
                           "module fake; refm good1(); top u(.a(0), .b(0)); endmodule", "forbidden"),
    "looks from where nothing is elaborated": (
        "module top #(parameter N = 1) (input a, b, output y); if (N) assign y = tb.a & tb.b; endmodule\n"
        "module fake; top #(.N(0)) u(); endmodule", "forbidden"),
    "calls a task of the testbench": (INITIAL.format("initial if (0) check;"), "forbidden"),
    "ends a comment for the preprocessor": (
        '// x\r`define F $display("Your Design Passed")\r' + INITIAL.format("initial `F;"), "forbidden"),
    "ends an escaped name early": (INITIAL.format('integer \\x ; initial \\x\b=1;$display("Your Design Passed");'),
                                   "forbidden"),
    "hides behind a line of a preprocessor": ("# line 1 \"tb.sv\" 0\n" + GOOD, "forbidden"),
    "drives its input": (INITIAL.format("assign a = 1'bx;"), "forbidden"),
    "drives its input stronger": (INITIAL.format("assign (supply1, supply0) a = 0;"), "forbidden"),
    "drives its input by a gate": (INITIAL.format("buf (a, b);"), "forbidden"),
    "drives its input from within": (INITIAL.format("s i(a);") + "module s(output z); assign z = 0; endmodule",
                                     "forbidden"),
    "hides behind the simulator": (INITIAL.format("`ifdef __ICARUS__\n initial $finish;\n`endif"), "forbidden"),
    "hides behind the front end": (INITIAL.format("`ifndef SV_COV_START\n assign tb.a = 0;\n`endif"), "forbidden"),
    "hides behind a bench's macro": (INITIAL.format("`ifdef SECRET\n initial tb.errors = -9;\n`endif"), "mismatch"),
    "pastes a name": ("`define F finish\n" + INITIAL.format("initial $`F;"), "forbidden"),
    "pastes a name around a comment": (INITIAL.format("initial $/**/finish;"), "forbidden"),
    "escapes a name": (INITIAL.format("initial \\$finish ;"), "forbidden"),
    "defines the reference": (GOOD + "module tb; endmodule", "elaboration_error"),
    "foreign code": (INITIAL.format('import "DPI-C" function int system(string s);'), "forbidden"),
    "binds": (GOOD + "module x; endmodule bind tb x y();", "forbidden"),
    "macro bomb": ("`define A0 1+1\n" + "\n".join(f"`define A{i+1} `A{i}+`A{i}" for i in range(40))
                   + "\n" + GOOD.replace("a & b", "`A40"), "forbidden"),
    "endless constant function": (INITIAL.format("function integer f(input integer x); begin f = 0; while (1) f = ~f;"
                                  " end endfunction localparam A = f(1);"), "timeout"),
    "endless loop": (INITIAL.format("initial forever ;"), "timeout"),
    "endless delta cycles": (INITIAL.format("reg q = 0; initial forever #0 q = ~q;"), "timeout"),
    "huge replication": (INITIAL.format("wire [268435455:0] w = {268435456{a}};"), "not pass"),
    "huge memory": (INITIAL.format("reg [63:0] m [0:99999999]; always @* m[a] = b;"), "not pass"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_design_does_not_pass_and_is_stopped(icarus: Icarus, name: str) -> None:
    design, status = HOSTILE[name]
    wrong = design.replace("a & b", "a | b")
    verdict = icarus.run(wrong, COUNTED, Limits(wall_s=300, cpu_s=1, memory_mb=256))
    assert verdict.status == status if status != "not pass" else not verdict.passed


@pytest.mark.parametrize("errors", [127, 128, 137, 143, 152, 153, 256])
def test_a_design_with_as_many_errors_as_a_signal_has_a_number_is_an_elaboration_error(
    icarus: Icarus, errors: int
) -> None:
    # The compiler's exit status is its number of errors, which in each case slang sees too.
    body = "".join(f"  assign y = missing{number};\n" for number in range(errors))
    verdict = icarus.run(GOOD.replace("  assign y = a & b;\n", body), COUNTED)
    assert (verdict.status, verdict.stage) == ("elaboration_error", "elaborate")


def test_an_error_that_fires_in_a_header_of_the_testbench_counts(icarus: Icarus) -> None:
    bench = said('\n`include "check.vh"\n$finish;')
    for text, status in (('$error("bad");', "mismatch"), ('$display("fine");', "pass")):
        header = {"sources": {**bench.sources, "check.vh": text + "\n"}}
        assert icarus.run(GOOD, bench.model_copy(update=header)).status == status


@pytest.mark.parametrize("name", ["design.sv", "compiled.sv", "sim.vvp", "ivl.conf", "preprocessed.sv"])
def test_names_that_a_run_needs_are_refused_for_a_testbench(icarus: Icarus, name: str) -> None:
    with pytest.raises(InputError, match="needs"):
        icarus.run(GOOD, COUNTED.model_copy(update={"data_files": {name: "x"}}))


def test_limits_of_the_design_are_verdicts_not_errors(icarus: Icarus) -> None:
    verdict = icarus.run(INITIAL.format("initial forever ;"), COUNTED, Limits(wall_s=300, cpu_s=1))
    assert (verdict.status, verdict.stage) == ("timeout", "simulate")
    assert icarus.run(GOOD, COUNTED, Limits(wall_s=0.001)).status == "timeout"


def test_system_task_that_icarus_lacks_is_charged_to_the_design_that_calls_it(
    icarus: Icarus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forbidden, "ALLOWED_SYSTEM_NAMES", forbidden.ALLOWED_SYSTEM_NAMES | {"$isunbounded"})
    verdict = icarus.run(INITIAL.format("integer q; initial q = $isunbounded(a);"), COUNTED)
    assert (verdict.status, [d.line for d in verdict.diagnostics]) == ("elaboration_error", [3])


@pytest.mark.parametrize("name", ["cast", "typename", "isunbounded", "shortrealtobits", "bitstoshortreal"])
def test_system_functions_that_icarus_lacks_are_not_allowed(icarus: Icarus, name: str) -> None:
    assert icarus.run(INITIAL.format(f"integer q; initial q = ${name}(a);"), COUNTED).status == "forbidden"


def test_full_disk_is_tool_failed(icarus: Icarus, tmp_path: Path) -> None:
    with icarus._new_run(Limits()) as run:
        assert run.verdict("no_result", "simulate").status == "no_result"
        run.log = "vvp: No space left on device"
        with pytest.raises(ToolFailed, match="no space"):
            run.verdict("no_result", "simulate")


def test_old_folders_of_dead_processes_are_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])  # noqa: S607
    dead.wait()
    names = [f"hdl_sim_{dead.pid}_old", f"hdl_sim_{dead.pid}_new", f"hdl_sim_{os.getpid()}_old", "hdl_sim_x"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "design.sv").write_text("x")
        if not name.endswith("_new"):
            os.utime(tmp_path / name, (1, 1))
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_users_testbench_may_include_a_header(icarus: Icarus) -> None:
    text = said("$finish;").sources["testbench.sv"].replace("#5", "`WAIT")
    bench = bench_from_text('`include "defs.vh"\n' + text)
    bench = bench.model_copy(update={"sources": {**bench.sources, "defs.vh": "`define WAIT #5\n"}})
    assert (bench.top, icarus.run(GOOD, bench).status) == ("tb", "pass")


def test_missing_simulator_is_tool_missing(icarus: Icarus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="apt install iverilog"):
        icarus.run(GOOD, COUNTED)


def test_many_verdicts_come_in_order(icarus: Icarus) -> None:
    designs = [GOOD, WRONG, None, "module top("] * 5
    jobs = ((design, COUNTED) for design in designs)
    statuses = [verdict.status for verdict in simulate_many(icarus, jobs, workers=4)]
    assert statuses == ["pass", "mismatch", "no_code", "syntax_error"] * 5


def test_the_same_job_runs_once_among_many_and_is_answered_each_time(icarus: Icarus) -> None:
    twin = COUNTED.model_copy()
    jobs = [(GOOD, COUNTED), (WRONG, COUNTED), (GOOD, COUNTED), (GOOD, twin)]
    verdicts = list(simulate_many(icarus, jobs, workers=2))
    assert [verdict.status for verdict in verdicts] == ["pass", "mismatch", "pass", "pass"]
    assert verdicts[0] is verdicts[2]
    assert verdicts[0] is not verdicts[3]


def test_many_that_are_no_longer_wanted_are_ended_and_leave_nothing(icarus: Icarus) -> None:
    started = time.monotonic()
    endless = INITIAL.format("initial forever ;")
    verdicts = simulate_many(icarus, [(GOOD, COUNTED), *((f"{endless}// {k}", COUNTED) for k in range(6))], workers=2)
    assert next(verdicts).status == "pass"
    time.sleep(0.5)  # two are under way
    verdicts.close()
    assert time.monotonic() - started < 20  # each would take 30 seconds of CPU time
    if memory := memory_folder():
        assert list(memory.glob(f"{folder_prefix()}*/*")) == []
    assert icarus.run(GOOD, COUNTED).status == "pass"


def test_an_error_of_ours_comes_out_of_many(icarus: Icarus) -> None:
    bad = COUNTED.model_copy(update={"sources": {"tb.sv": "module"}})
    verdicts = simulate_many(icarus, [(GOOD, COUNTED), (GOOD, bad)], workers=2)
    assert next(verdicts).status == "pass"
    with pytest.raises(InputError):
        next(verdicts)


@pytest.mark.parametrize("call", ["$clog2(4)", "$pow(2.0, 1.0)", "$countones(2'b11)"])
def test_a_design_may_call_what_only_a_further_module_of_icarus_has(icarus: Icarus, call: str) -> None:
    code = f"module top(input a, input b, output y);\n  assign y = (a & b) ? {call} == 2 : 1'b0;\nendmodule\n"
    assert icarus.run(code, COUNTED).passed


def test_methods_of_systemverilog_find_the_module_that_has_them(icarus: Icarus) -> None:
    design = (
        "module top(input a, input b, output reg y);\n  typedef enum logic [1:0] {ONE = 1, TWO = 2} word;\n  word w;\n"
        "  always @* begin\n    w = ONE;\n    if (a & b) w = w.next();\n    y = w == TWO;\n  end\nendmodule\n"
    )
    bench = COUNTED.model_copy(
        update={"sources": {"tb.sv": TB.replace("errors = 0,", "errors = 0; string s; integer").replace(
            "#1 $finish", 's = "abc"; if (s.len() != 3) errors = 9; #1 $finish')}}
    )  # fmt: skip
    assert icarus.run(design, COUNTED).passed
    assert icarus.run(GOOD, bench).passed


def test_the_small_settings_hold_one_module_and_are_not_used_where_it_is_not_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tools = toolchain.find_toolchain()
    assert tools.small_settings is not None
    assert tools.small_settings.count("module:") == 1 < tools.settings.count("module:")
    monkeypatch.setattr(toolchain, "_FIRST_MODULE", toolchain._FIRST_MODULE | {"$clog2"})
    monkeypatch.setattr(toolchain, "_PROBE", toolchain._PROBE.replace("$stop;", "$display($clog2(file));"))
    assert not toolchain._first_is_enough(tools)


def test_dump_calls_are_stripped_in_place() -> None:
    text = 'initial begin\n$dumpfile("a);b");\n  $dumpvars(0,\n tb); x = 1; // $dumpon;\nend'
    assert strip_dumps(text) == "initial begin\n;\n  ;\n x = 1; // $dumpon;\nend"
