"""A testbench's teeth: killed, survived, equivalent and invalid mutants are told apart, on real simulations."""

from __future__ import annotations

import pytest

from autovcoder.errors import InputError, ToolMissing
from autovcoder.records import Bench, PassRule, Verdict
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.teeth import Teeth, measure

ADDER = "module adder(input [3:0] a, input [3:0] b, output [4:0] s);\n    assign s = a + b;\nendmodule\n"
# The default is never reached: what stands there makes no difference.
FULL = """module adder(input [3:0] a, input [3:0] b, output reg [4:0] s);
    always @* case (a[0])
        1'b0: s = a + b;
        1'b1: s = b + a;
        default: s = 5'd7;
    endcase
endmodule
"""
COUNTER = """module adder(input [3:0] a, input [3:0] b, output [4:0] s);
    integer i;
    reg [4:0] t;
    always @* begin
        t = 0;
        for (i = 0; i < 4; i = i + 1) t = t + a[i];
    end
    assign s = t + b;
endmodule
"""


def bench(times: int, expected: str = "a + b") -> Bench:
    text = f"""module tb;
    reg [3:0] a, b; wire [4:0] s; integer i, wrong;
    adder dut(.a(a), .b(b), .s(s));
    initial begin
        wrong = 0;
        for (i = 0; i < {times}; i = i + 1) begin
            {{a, b}} = i; #1;
            if (s !== {expected}) wrong = wrong + 1;
        end
        $display("Mismatches: %0d in {times} samples", wrong);
        $finish;
    end
endmodule
"""
    return Bench(kind="verilog", sources={"tb.v": text}, top="tb", pass_rule=PassRule(kind="mismatch_count"))


def test_a_testbench_that_tries_everything_kills_all_that_are_another_circuit() -> None:
    teeth = measure(FULL, bench(256), Icarus(), count=60)
    assert teeth.killed >= 20
    assert teeth.equivalent >= 3  # the default's number changed, its item gone
    assert (teeth.survived, teeth.unknown, teeth.survivors) == (0, 0, ())
    assert teeth.rate == 1.0


def test_a_testbench_that_tries_little_lets_mutants_live() -> None:
    teeth = measure(ADDER, bench(1), Icarus(), count=60)
    assert teeth.survived == len(teeth.survivors) > 0
    assert any(one.change == "+ became -" and one.line == 2 and one.fate == "survived" for one in teeth.survivors)
    assert teeth.rate is not None
    assert teeth.rate < 0.8
    assert measure(ADDER, bench(256), Icarus(), count=60).rate == 1.0


def test_counts_are_the_same_each_time_and_other_ones_with_another_seed() -> None:
    first, again = (measure(FULL, bench(256), Icarus(), count=8, seed="x") for _ in range(2))
    assert first == again
    assert first.killed + first.equivalent + first.invalid == 8


class Slow(Icarus):
    """The real simulator, with a note of the limits that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[Limits] = []

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        self.limits.append(limits)
        return super().run(design, bench, limits)


def test_mutants_get_a_few_times_what_the_design_took() -> None:
    simulator = Slow()
    measure(COUNTER, bench(16, "b + a[0] + a[1] + a[2] + a[3]"), simulator, count=4)
    assert len(simulator.limits) == 5
    assert {limits.cpu_s for limits in simulator.limits[1:]} <= set(range(2, 11))


def test_a_design_that_fails_its_own_testbench_is_an_error() -> None:
    with pytest.raises(InputError, match="fails its own testbench: mismatch"):
        measure(ADDER, bench(256, "a - b"), Icarus())


def test_a_missing_prover_is_found_before_anything_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Slow()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="yosys"):
        measure(ADDER, bench(1), simulator)
    assert simulator.limits == []


def test_unknown_mutants_count_against_the_testbench() -> None:
    assert Teeth(6, 1, 5, 1, 2, ()).rate == 0.75
    assert Teeth(0, 0, 5, 0, 2, ()).rate is None
