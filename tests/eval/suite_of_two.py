"""A suite small enough to simulate in a test: an inverter and an AND gate, each with a bench that counts mismatches."""

from __future__ import annotations

from autovcoder.records import Bench, PassRule, Problem, Sample, Sampling

BENCH = """module tb;
  reg a = 0, b = 0;
  wire y;
  integer bad = 0, i;
  top_module dut(.a(a), .b(b), .y(y));
  initial begin
    for (i = 0; i < 4; i = i + 1) begin
      {{a, b}} = i[1:0];
      #1 if (y !== ({want})) bad = bad + 1;
    end
    $display("Mismatches: %0d in %0d samples", bad, 4);
    $finish;
  end
endmodule
"""
HEADER = "module top_module(input a, input b, output y);"


def design(expression: str) -> str:
    return f"{HEADER}\n  assign y = {expression};\nendmodule\n"


def problem(name: str, want: str, *, reference: str | None = None, category: str = "gates") -> Problem:
    return Problem(
        id=name,
        suite="two",
        category=category,
        spec=f"Drive y with {want}.",
        interface=HEADER,
        bench=Bench(
            kind="verilog",
            sources={"tb.v": BENCH.format(want=want)},
            top="tb",
            pass_rule=PassRule(kind="mismatch_count"),
        ),
        reference=design(want) if reference is None else reference,
    )


NOT_A, A_AND_B = problem("not_a", "~a"), problem("a_and_b", "a & b", category="more gates")
# What its bench asks for, its reference does not do: no answer to it can be judged.
BROKEN = problem("broken", "a | b", reference=design("a ^ b"))


def sample(problem_id: str, index: int, code: str | None) -> Sample:
    return Sample(
        problem_id=problem_id,
        index=index,
        prompt_sha256="",
        raw=code or "",
        code=code,
        model="hand",
        sampling=Sampling(n=2),
    )
