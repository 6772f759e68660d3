"""What answers earn: the ladder, what constants get, and that neither hostile designs nor tricks get past it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autovcoder.errors import ToolMissing
from autovcoder.files import read_jsonl, write_jsonl
from autovcoder.prompt import user_text
from autovcoder.records import Bench, PassRule, Port, Verdict
from data_pipeline.pairs import PairSettings, make_pairs
from finetune.rewards import MATCHING, VALUES, Reward, SimulatedReward, Task, matched, matching, reward
from finetune.rl_tasks import constant_designs, read_tasks
from hdl_sim.extract import extract_code
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS, Simulator, simulate_many
from hdl_sim.slang import read_source
from hdl_sim.statement import stated_interface

HOSTILE = Path(__file__).parents[1] / "hdl_sim" / "hostile"
HEADER = "module top_module(input clk, input [3:0] a, input [3:0] b, output reg [3:0] q);"
HONEST = f"{HEADER}\n    always @(posedge clk) q <= a & b;\nendmodule\n"
# What most hostile designs are beside their trick: a design that is wrong.
WRONG = HONEST.replace("a & b", "a | b")
LIMITS = Limits(wall_s=120, cpu_s=1, memory_mb=256)
# As it stands there, it compares by a value that is x where the design's output is, and that counts as equal.
BLIND = (HOSTILE / "benches" / "counts.sv").read_text()
PROMPT = f"q is the bitwise and of a and b, registered.\n\nUse this module header:\n{HEADER}"


def task_on(bench: Bench) -> Task:
    designs = [HONEST, *constant_designs(HONEST, "top_module")]
    whole, *verdicts = simulate_many(IcarusPool(), [(design, bench) for design in designs])
    shares = [share for verdict in verdicts if (share := matched(verdict, whole.samples)) is not None]
    ports = read_source(HONEST).modules[0].ports
    return Task("id", PROMPT, stated_interface(PROMPT), "top_module", ports, bench, whole.samples, max(shares))


@pytest.fixture(scope="module")
def task() -> Task:
    """A task whose testbench has no secret: what it prints could be printed by a design too."""
    source = BLIND.replace("if (!same)", "if (same !== 1'b1)")
    return task_on(
        Bench(kind="verilog", sources={"tb.sv": source}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
    )


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs")
    families = ("counter", "mux", "gate", "edge_detector", "priority_encoder", "decoder", "adder")
    make_pairs(out, PairSettings(pairs=14, problems=0, families=families, mutants=0), IcarusPool())
    return out


def judge(task: Task, *answers: str) -> list[Reward]:
    return SimulatedReward({}, IcarusPool(), LIMITS).judge([task] * len(answers), answers)


def test_no_hostile_design_earns_more_than_the_wrong_design_it_is(task: Task) -> None:
    """What is refused or has to be stopped earns nothing; the others are worth what a wrong design is, at most."""
    paths = sorted(HOSTILE.glob("*.sv"))
    texts = [
        path.read_bytes().replace(b"@BYTES@", b"\xff\xfe").replace(b"@CANARY@", b"/tmp/none").decode(errors="replace")
        for path in paths
    ]
    assert len(texts) > 100
    verdicts = simulate_many(IcarusPool(), [(text, task.bench) for text in texts], limits=LIMITS)
    earned = {}
    for path, text, verdict in zip(paths, texts, verdicts, strict=True):
        earned[path.stem] = (verdict.status, reward(task, text, verdict).value)
    [wrong] = judge(task, WRONG)
    assert wrong == Reward(VALUES["ports"], "ports"), "it matches more seldom than a constant"
    for status, value in earned.values():
        assert value <= {"mismatch": VALUES["ports"], "elaboration_error": VALUES["elaborates"]}.get(status, 0.05)
        assert value == 0 or status in ("mismatch", "elaboration_error", "syntax_error")
    assert sum(value == 0 for _, value in earned.values()) > 90
    assert {value for status, value in earned.values() if status in ("forbidden", "timeout", "runtime_error")} == {0.0}


SAYS_PASSED = 'initial $display("Mismatches: 0 in 100 samples");'
TRICKS = {
    "no answer": ("", 0.0),
    "words": ("I would use a register for that, and an and gate.", 0.0),
    "half a module": (f"{HEADER}\n  always @(posedge clk) q <= a &", VALUES["code"]),
    "empty module with the right ports": (f"{HEADER}\nendmodule\n", VALUES["ports"]),
    "no ports": ("module top_module;\nendmodule\n", VALUES["elaborates"]),
    "more ports": (
        HONEST.replace("output reg [3:0] q", "output reg [3:0] q, output extra").replace("a & b", "a | b"),
        VALUES["elaborates"],
    ),
    "another width": (HONEST.replace("output reg [3:0]", "output reg [1:0]"), VALUES["elaborates"]),
    "another name and ports": (HONEST.replace("top_module", "tb").replace("clk", "clock"), VALUES["elaborates"]),
    "a module that is not there": (f"{HEADER}\n  solution it(clk, a, b, q);\nendmodule\n", VALUES["parses"]),
    "the reference of the testbench": (f"{HEADER}\n  golden it(clk, a, b, q);\nendmodule\n", VALUES["parses"]),
    "reads the reference": (HONEST.replace("a & b", "tb.q_ref"), 0.0),
    "ends the simulation": (HONEST.replace("endmodule", "initial $finish;\nendmodule"), 0.0),
    "prints the line and ends": (WRONG.replace("endmodule", f"{SAYS_PASSED}\ninitial #9 $finish;\nendmodule"), 0.0),
    "prints the line": (WRONG.replace("endmodule", f"{SAYS_PASSED}\nendmodule"), 0.0),
    "never ends": (WRONG.replace("endmodule", "initial forever;\nendmodule"), 0.0),
    "a second testbench": (WRONG + f"module tb;\n{SAYS_PASSED}\nendmodule\n", VALUES["ports"]),
    "many wrong modules": (WRONG + "".join(WRONG.replace("top_module", f"m{i}") for i in range(5)), VALUES["ports"]),
    "wrong, then right under another name": (WRONG + HONEST.replace("top_module", "other"), VALUES["ports"]),
}


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_earns_no_more_than_what_it_is(task: Task, name: str) -> None:
    answer, most = TRICKS[name]
    [got] = judge(task, answer)
    assert got.value <= most
    assert got.rung != "pass"


def test_a_line_printed_by_the_design_is_worth_nothing_on_a_bench_with_a_secret_either(pairs: Path) -> None:
    for one in read_tasks(pairs / "pairs.jsonl", 0, 3, IcarusPool(), pytest.fail):
        ports = ", ".join(f"{port.direction} [{(port.width or 1) - 1}:0] {port.name}" for port in one.ports)
        samples = one.bench.pass_rule.expected_samples
        says = f'initial $display("Mismatches: 0 in {samples} samples");'
        assert judge(one, f"module {one.module}({ports});\n{says}\nendmodule\n")[0].value == 0


def test_the_reference_of_every_pair_earns_1_and_constants_what_the_ports_are_worth(pairs: Path) -> None:
    codes = {row["draft"]["id"]: row["draft"]["code"] for row in read_jsonl(pairs / "pairs.jsonl")}
    tasks = read_tasks(pairs / "pairs.jsonl", 0, 99, IcarusPool(), pytest.fail)
    assert len(tasks) == len(codes)
    for one in tasks:
        assert one.baseline is not None
        assert 0 <= one.baseline < 1
        constants = constant_designs(codes[one.id], one.module)
        got = judge(one, codes[one.id], *constants)
        assert [reward.value for reward in got] == [1.0, *[VALUES["ports"]] * 3]


def test_a_nearly_right_design_earns_more_than_a_constant_and_far_less_than_a_pass(task: Task) -> None:
    nearly = HONEST.replace("a & b", "(a[2:0] == b[2:0]) ? ~a : a & b")
    half = HONEST.replace("a & b", "{2'b0, a[1:0] & b[1:0]}")
    first, second, third, last = (one.value for one in judge(task, WRONG, half, nearly, HONEST))
    assert first < second < third <= VALUES["ports"] + MATCHING < last == 1.0


def test_no_task_is_made_of_a_bench_that_an_empty_module_passes(pairs: Path, tmp_path: Path) -> None:
    row = next(read_jsonl(pairs / "pairs.jsonl"))
    rule = {"kind": "mismatch_count"}
    for name, source in (("blind", BLIND), ("seeing", BLIND.replace("if (!same)", "if (same !== 1'b1)"))):
        bench = {"kind": "verilog", "sources": {"tb.sv": source}, "top": "tb", "pass_rule": rule}
        draft = row["draft"] | {"code": HONEST, "problem": PROMPT, "testbench": bench}
        write_jsonl(tmp_path / f"{name}.jsonl", [row | {"draft": draft}])
    dropped: list[str] = []
    assert read_tasks(tmp_path / "blind.jsonl", 0, 9, IcarusPool(), lambda _, why: dropped.append(why)) == []
    assert dropped == ["a design whose outputs are undriven or constant passes its testbench"]
    [kept] = read_tasks(tmp_path / "seeing.jsonl", 0, 9, IcarusPool(), lambda _, why: dropped.append(why))
    assert kept.baseline == pytest.approx(0.35, abs=0.02)


def test_constants_have_the_parameters_that_the_testbench_sets() -> None:
    code = "module wide #(parameter W = 2) (input [W-1:0] a, output reg [W-1:0] y);\nalways @* y = ~a;\nendmodule\n"
    bench = """module tb; reg [7:0] a; wire [7:0] y; wide #(.W(8)) dut(.a(a), .y(y)); integer i, bad;
        initial begin bad = 0; for (i = 0; i < 256; i = i + 1) begin a = i; #1 if (y !== ~a) bad = bad + 1; end
        $display("Mismatches: %0d in 256 samples", bad); $finish; end endmodule"""
    rule = PassRule(kind="mismatch_count", expected_samples=256)
    jobs = [
        (design, Bench(kind="verilog", sources={"tb.v": bench}, top="tb", pass_rule=rule))
        for design in constant_designs(code, "wide")
    ]
    assert [verdict.mismatches for verdict in simulate_many(IcarusPool(), jobs)] == [256, 255, 255]


INTERFACES = {
    "old": """module m(a, y); parameter W = 4; input [W-1:0] a; output [W-1:0] y;
        reg [W-1:0] y = 3; always @* y = a; endmodule""",
    "comment": "module m(a, // input\n y);\ninput a; output y; assign y = a;\nendmodule\n",
    "initial value": "module m(input a, output reg [3:0] y = 2);\nalways @* y = a;\nendmodule : m\n",
    "integer": "module m(input a, output integer y);\nalways @* y = a;\nendmodule\n",
    "escaped": "module m(input a, output \\y[0] );\nassign \\y[0] = a;\nendmodule\n",
    "function": """`timescale 1ns/1ps // \u00e9
        module m(a, y); function integer half(input integer n); half = n / 2; endfunction
        localparam W = half(9); input [W-1:0] a; output [W-1:0] y; wire [3:0] k = a; sub it(k, y); endmodule
        module sub(input [3:0] a, output [3:0] y); assign y = a; endmodule""",
}


@pytest.mark.parametrize("name", INTERFACES)
def test_constants_have_the_interface_as_it_is_written_and_no_other_value(name: str) -> None:
    code = INTERFACES[name]
    port = "\\y[0] " if name == "escaped" else "y"
    bench = f"""module tb; wire [31:0] w; m u(.a(1'b1), .{port}(w)); initial #1 $display("%b", w[0]); endmodule"""
    shown = ("^[xz]$", "^0$", "^1$")
    for design, pattern in zip(constant_designs(code, "m"), shown, strict=True):
        rule = PassRule(kind="pass_line", pattern=pattern, needs_finish=False)
        assert (
            IcarusPool().run(design, Bench(kind="verilog", sources={"tb.sv": bench}, top="tb", pass_rule=rule)).passed
        )
        assert read_source(design).modules[0].ports == read_source(code).modules[0].ports


BLIND_INVERTER = """module tb; reg [7:0] a; wire [7:0] y; inv #(.W(8)) dut(.a(a), .y(y)); integer i, bad;
    initial begin bad = 0; for (i = 0; i < 256; i = i + 1) begin a = i; #1 if (y != ~a) bad = bad + 1; end
    $display("Mismatches: %0d in 256 samples", bad); $finish; end endmodule"""
OLD_INVERTER = "module inv(a, y);\nparameter W = 4;\ninput [W-1:0] a;\noutput [W-1:0] y;\nassign y = ~a;\nendmodule\n"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (OLD_INVERTER, "undriven or constant passes"),
        ("`define BODY assign y = ~a;\n" + OLD_INVERTER.replace("assign y = ~a;", "`BODY"), "could not be tried"),
        (
            OLD_INVERTER.replace("inv(a, y)", "inv(a, .y(z))").replace("] y;\nassign y", "] z;\nassign z"),
            "not be tried",
        ),
    ],
)
def test_no_task_is_made_where_the_testbench_is_blind_or_that_cannot_be_told(
    pairs: Path, tmp_path: Path, code: str, reason: str
) -> None:
    row = next(read_jsonl(pairs / "pairs.jsonl"))
    bench = Bench(
        kind="verilog", sources={"tb.sv": BLIND_INVERTER}, top="tb", pass_rule=PassRule(kind="mismatch_count")
    )
    draft = row["draft"] | {"code": code, "problem": "Invert a.", "testbench": bench.model_dump()}
    write_jsonl(tmp_path / "pairs.jsonl", [row | {"draft": draft}])
    dropped: list[str] = []
    assert read_tasks(tmp_path / "pairs.jsonl", 0, 9, IcarusPool(), lambda _, why: dropped.append(why)) == []
    assert len(dropped) == 1
    assert reason in dropped[0]


@pytest.mark.parametrize("told", [256, None])
def test_a_bench_that_stops_at_the_first_mismatch_pays_by_what_the_whole_would_be(
    pairs: Path, tmp_path: Path, told: int | None
) -> None:
    source = """module tb; reg [7:0] a; wire [7:0] y; inv dut(.a(a), .y(y)); integer i;
        initial begin for (i = 0; i < 256; i = i + 1) begin a = i; #1
        if (y !== ~a) begin $display("Mismatches: 1 in %0d samples", i + 1); $finish; end end
        $display("Mismatches: 0 in 256 samples"); $finish; end endmodule"""
    code = "module inv(input [7:0] a, output [7:0] y);\nassign y = ~a;\nendmodule\n"
    rule = PassRule(kind="mismatch_count", expected_samples=told)
    bench = Bench(kind="verilog", sources={"tb.sv": source}, top="tb", pass_rule=rule)
    row = next(read_jsonl(pairs / "pairs.jsonl"))
    draft = row["draft"] | {"code": code, "problem": "Invert a.", "testbench": bench.model_dump()}
    write_jsonl(tmp_path / "pairs.jsonl", [row | {"draft": draft}])
    [one] = read_tasks(tmp_path / "pairs.jsonl", 0, 9, IcarusPool(), pytest.fail)
    assert (one.samples, one.baseline) == (256, 1 / 256)
    wrong = [code.replace("~a", text) for text in ("(a == 0 ? 0 : ~a)", "(a == 2 ? 0 : ~a)", "(a == 200 ? 0 : ~a)")]
    values = [reward.value for reward in judge(one, *wrong)]
    assert values[0] == VALUES["ports"]
    assert values[1] < VALUES["ports"] + 0.001
    assert values[2] == pytest.approx(VALUES["ports"] + MATCHING * (199 / 255) ** 2)


class Counting:
    """A simulator that knows how often it was asked."""

    def __init__(self, inner: Simulator) -> None:
        self.inner, self.name, self.asked = inner, inner.name, 0

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        self.asked += 1
        return self.inner.run(design, bench, limits)

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self.inner.compile_only(design, limits)


def test_trl_gets_a_reward_for_each_completion_and_equal_answers_are_simulated_once(task: Task) -> None:
    simulator = Counting(IcarusPool())
    told: dict[str, float] = {}
    answers = [HONEST, WRONG, f"Here it is:\n```verilog\n{HONEST}```", HONEST, WRONG, HONEST]
    function = SimulatedReward({PROMPT: task}, simulator)
    rewards = function([PROMPT] * 6, answers, log_metric=told.__setitem__, completion_ids=[], trainer_state=None)
    assert rewards == [1.0, 0.2, 1.0, 1.0, 0.2, 1.0]
    assert simulator.asked == 2
    assert told["rung_pass"] == 4 / 6
    assert told["rung_ports"] == 2 / 6
    assert told["equal_groups"] == 0.0
    # The columns of a rollout: the completion alone lacks the start that the answer was given.
    assert function([PROMPT], [HONEST.removeprefix(HEADER)], answer=[HONEST]) == [1.0]


def test_a_missing_simulator_is_an_error_and_no_reward(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing):
        SimulatedReward({PROMPT: task}, IcarusPool())([PROMPT], [HONEST])


STATUSES = ("pass", "syntax_error", "elaboration_error", "mismatch", "runtime_error", "timeout", "no_result")
verdicts = st.builds(
    lambda status, samples, wrong: Verdict(
        status=status, stage="simulate", samples=samples, mismatches=min(wrong, samples)
    ),
    st.sampled_from((*STATUSES, "forbidden", "no_code")),
    st.integers(0, 300),
    st.integers(0, 300),
)
A_TASK = Task(
    "id",
    PROMPT,
    stated_interface(PROMPT),
    "top_module",
    read_source(HONEST).modules[0].ports,
    Bench(kind="verilog", sources={}, top="tb", pass_rule=PassRule(kind="mismatch_count", expected_samples=200)),
    200,
    0.4,
)


def test_code_is_found_by_what_the_problem_states_and_not_by_what_its_testbench_hides() -> None:
    """An evaluation does not know of which of two modules the testbench makes use either."""
    answer = f"{HONEST}module other(input x, output z);\n    assign z = x;\nendmodule\n"
    assert "module other" not in (A_TASK.code_of(answer) or "")
    unnamed = replace(A_TASK, stated=stated_interface("the bitwise and of two numbers"))
    assert unnamed.code_of(answer) == extract_code(answer)
    assert "module other" in (unnamed.code_of(answer) or "")


def test_a_problem_is_asked_as_generation_asks_it(pairs: Path, tmp_path: Path) -> None:
    row = next(read_jsonl(pairs / "pairs.jsonl"))
    padded = [{**row, "draft": row["draft"] | {"id": str(n), "problem": f"{row['draft']['problem']}{space}"}}
              for n, space in enumerate((" \n", "\n\n"))]  # fmt: skip
    write_jsonl(tmp_path / "pairs.jsonl", padded)
    dropped: list[tuple[str, str]] = []
    tasks = read_tasks(tmp_path / "pairs.jsonl", 0, 9, IcarusPool(), lambda *one: dropped.append(one))
    assert [task.prompt for task in tasks] == [user_text(row["draft"]["problem"])]
    assert [reason for _, reason in dropped] == ["the same problem as another pair's"]


@given(verdict=verdicts, baseline=st.none() | st.floats(0, 1))
@example(verdict=Verdict(status="mismatch", stage="simulate", samples=200, mismatches=1), baseline=1.0)
@example(verdict=Verdict(status="mismatch", stage="simulate", samples=200, mismatches=300), baseline=0.0)
def test_a_reward_is_1_for_a_pass_and_below_the_top_for_all_else(verdict: Verdict, baseline: float | None) -> None:
    got = reward(replace(A_TASK, baseline=baseline), WRONG, verdict)
    assert 0 <= got.value <= 1
    assert (got.value == 1) == verdict.passed
    assert verdict.passed or got.value <= VALUES["ports"] + MATCHING


@given(wrong=st.lists(st.integers(1, 200), min_size=2, max_size=2), baseline=st.floats(0, 0.99))
def test_more_matching_samples_never_earn_less(wrong: Sequence[int], baseline: float) -> None:
    def earned(mismatches: int, samples: int = 200) -> float:
        verdict = Verdict(status="mismatch", stage="simulate", samples=samples, mismatches=mismatches)
        return matching(replace(A_TASK, baseline=baseline), verdict)

    few, many = sorted(wrong)
    assert earned(few) >= earned(many)
    assert earned(200 - int(baseline * 200)) == pytest.approx(0, abs=1e-9)
    # One that ends the test early is judged as if all that was left out were wrong.
    assert earned(1, 2) <= earned(199)


@given(st.permutations(list(VALUES)))
def test_each_rung_is_worth_more_than_the_one_below(order: Sequence[str]) -> None:
    ladder = ["nothing", "code", "parses", "elaborates", "ports", "pass"]
    assert sorted(order, key=lambda rung: VALUES[rung]) == ladder  # type: ignore[index]


def test_ports_count_whatever_their_order(task: Task) -> None:
    other = WRONG.replace("input [3:0] a, input [3:0] b", "input [3:0] b, input [3:0] a")
    assert judge(task, other)[0].rung == "ports"
    assert Port(name="q", direction="output", width=4) in task.ports
