"""From a specification to a checked design, as a Python caller sees it, with a real simulator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from autovcoder.errors import InputError, ModelError
from autovcoder.generate import Effort, Result, generate, read_header
from autovcoder.models import Stop
from autovcoder.models.local import LocalModel
from autovcoder.records import Bench, Sampling
from autovcoder.repair import COMPILER, TESTBENCH
from hdl_sim.consensus import confidence
from hdl_sim.icarus import Icarus
from hdl_sim.statement import stated_interface
from hdl_sim.testbench import bench_from_text

HEADER = "module inverter (input wire [3:0] a, output wire [3:0] y);"
RIGHT = f"{HEADER}\n    assign y = ~a;\nendmodule\n"
WRONG = f"{HEADER}\n    assign y = a;\nendmodule\n"
BROKEN = f"{HEADER}\n    assign y = ~b;\nendmodule\n"
OTHER_NAME = RIGHT.replace("inverter", "negator")
OTHER_PORT = "module negator (input wire [3:0] x, output wire [3:0] y);\n    assign y = ~x;\nendmodule\n"
AS_WRITTEN = Effort(mend=False)
BENCH_TEXT = """
module tb;
    reg [3:0] a;
    wire [3:0] y;
    integer i, errors;
    inverter dut (.a(a), .y(y));
    initial begin
        errors = 0;
        for (i = 0; i < 16; i = i + 1) begin
            a = i; #1;
            if (y !== ~a) errors = errors + 1;
        end
        if (errors == 0) $display("===========Your Design Passed===========");
        else $display("Test failed with %0d errors", errors);
        $finish;
    end
endmodule
"""


class Recorded:
    """A `TextModel` that gives answers written down before, and remembers what it was asked."""

    name = "recorded"
    context = None

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.prompts: list[str] = []
        self.starts: list[str] = []
        self.stop: Stop | None = None

    def count_tokens(self, text: str) -> int:
        return len(text)

    def complete(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        starts: Sequence[str] = (),
        stop: Stop | None = None,
        seeded_by: Sequence[str] = (),  # noqa: ARG002
    ) -> list[list[str]]:
        answers = self.next_answers(sampling)
        assert sampling.n == len(answers)
        self.prompts += prompts
        self.starts += starts
        self.stop = stop
        return [list(answers) for _ in prompts]

    def next_answers(self, sampling: Sampling) -> Sequence[str]:  # noqa: ARG002
        return self.answers


@pytest.fixture(scope="module")
def bench() -> Bench:
    return bench_from_text(BENCH_TEXT)


def run(
    *answers: str,
    spec: str = "an inverter",
    header: str | None = None,
    bench: Bench | None = None,
    effort: Effort = AS_WRITTEN,
) -> Result:
    return generate(
        spec,
        Recorded(*answers),
        header=header,
        sampling=Sampling(n=len(answers), temperature=1.0),
        effort=effort,
        bench=bench,
        simulator=Icarus(),
    )


def test_a_design_that_compiles_is_accepted_and_nothing_unstated_is_judged() -> None:
    result = run(f"Here it is:\n```verilog\n{RIGHT}```")
    assert result.accepted
    assert (result.code or "").strip() == RIGHT.strip()
    assert result.chosen.complete
    assert result.chosen.compiled.simulator.startswith("Icarus Verilog ")
    agreement = result.chosen.agreement
    assert {agreement.name.value, agreement.ports.value, agreement.header.value} == {"not stated"}


def test_one_that_passes_is_chosen_before_one_that_only_compiles(bench: Bench) -> None:
    result = run(BROKEN, WRONG, RIGHT, RIGHT, bench=bench)
    assert result.best == 2
    assert result.accepted
    assert [c.bench and c.bench.status for c in result.candidates] == [None, "no_result", "pass", "pass"]


def test_one_that_agrees_is_chosen_before_one_that_only_compiles() -> None:
    result = run("no code here", BROKEN, OTHER_PORT, RIGHT, header=HEADER)
    assert result.best == 3
    assert result.accepted


def test_a_design_of_another_name_with_the_ports_of_a_given_header_is_taken_for_the_one_asked_for() -> None:
    result = run(OTHER_NAME, header=HEADER)
    assert result.accepted
    assert result.code == RIGHT
    assert "negator" in result.chosen.raw


def test_one_that_compiles_is_chosen_before_one_that_does_not_and_code_before_none() -> None:
    assert run("nothing", BROKEN, OTHER_PORT, header=HEADER).best == 2
    assert run("nothing", BROKEN).best == 1
    assert run("nothing", "nothing either").best == 0


def test_a_header_that_is_contradicted_is_named_and_not_accepted() -> None:
    result = run(RIGHT.replace("[3:0] y", "[7:0] y"), header=HEADER)
    assert result.chosen.compiles
    assert not result.accepted
    assert result.chosen.agreement.header.value == "no"
    assert "y" in result.chosen.agreement.header.which


def test_a_name_that_the_specification_states_is_compared() -> None:
    spec = "Invert all bits. Name the module inverter."
    assert run(RIGHT, spec=spec).chosen.agreement.name.value == "yes"
    refused = run(OTHER_NAME, spec=spec)
    assert refused.chosen.agreement.name.value == "no"
    assert not refused.accepted


def test_a_testbench_that_fails_is_not_accepted(bench: Bench) -> None:
    result = run(WRONG, bench=bench)
    assert result.chosen.compiles
    assert not result.accepted


def test_systemverilog_is_found_when_verilog_2001_was_asked_for() -> None:
    modern = RIGHT.replace("wire", "logic")
    for language, violated in (("verilog-2001", True), ("systemverilog", False), (None, False)):
        model = Recorded(modern)
        result = generate("an inverter", model, language=language, simulator=Icarus())
        assert bool(result.chosen.language) == violated
        assert result.accepted != violated
    assert generate("x", Recorded(RIGHT), language="verilog-2001", simulator=Icarus()).accepted


def test_specification_header_and_language_all_reach_the_prompt() -> None:
    model = Recorded(RIGHT)
    generate("an inverter", model, header=HEADER, language="verilog-2001", simulator=Icarus())
    [asked] = model.prompts
    [begun] = model.starts
    assert begun == HEADER.strip()
    assert "an inverter" in asked
    assert HEADER in asked
    assert "Verilog-2001" in asked


def test_generation_is_told_when_the_answer_is_complete() -> None:
    model = Recorded(RIGHT)
    generate("an inverter", model, header=HEADER, simulator=Icarus())
    assert model.stop is not None
    assert model.stop(0, RIGHT)
    assert not model.stop(0, RIGHT[: len(RIGHT) // 2])


def test_an_answer_that_was_cut_off_is_not_called_complete() -> None:
    assert not run(RIGHT[: len(RIGHT) // 2]).chosen.complete


def test_a_real_model_stops_at_the_end_of_its_module(learned_model: Path, learned: dict[str, str]) -> None:
    model = LocalModel(str(learned_model))
    result = generate(next(iter(learned)), model, sampling=Sampling(max_new_tokens=400), simulator=Icarus())
    assert result.accepted
    assert model.new_tokens < 300
    assert result.seconds.keys() == {"generate", "check"}


class Scripted(Recorded):
    """Gives another list of answers each time it is asked, and remembers how it was sampled."""

    def __init__(self, *rounds: Sequence[str]) -> None:
        super().__init__()
        self.rounds = list(rounds)
        self.samplings: list[Sampling] = []

    def next_answers(self, sampling: Sampling) -> Sequence[str]:
        self.samplings.append(sampling)
        return self.rounds.pop(0)


def ask(model: Scripted, *, n: int, bench: Bench | None = None, **effort: object) -> Result:
    return generate(
        "an inverter",
        model,
        header=HEADER,
        sampling=Sampling(n=n, temperature=1.0, seed=7),
        effort=Effort.model_validate(effort),
        bench=bench,
        simulator=Icarus(),
    )


def test_the_answer_that_most_agree_on_is_chosen_without_a_testbench() -> None:
    again = RIGHT.replace("~a", "a ^ 4'hf")
    result = run(WRONG, RIGHT, again, header=HEADER)
    assert result.best == 1
    assert result.selection is not None
    assert (result.selection.agreeing, result.selection.of) == (2, 3)
    [_, other] = result.selection.groups
    assert other.members == (0,)
    assert other.difference is not None
    assert other.difference.chosen.keys() == {"y"}
    first = run(WRONG, RIGHT, again, header=HEADER, effort=Effort(select="first"))
    assert first.best == 0
    assert first.selection is None


def test_consensus_is_only_among_those_that_pass_the_testbench(bench: Bench) -> None:
    result = run(WRONG, WRONG, RIGHT, header=HEADER, bench=bench)
    assert result.best == 2
    assert result.accepted


def test_a_slip_is_mended_and_shown_and_what_compiles_is_not_touched() -> None:
    slip = RIGHT.replace("assign y", "always @* y")
    result = run(slip, RIGHT, header=HEADER, effort=Effort())
    assert [candidate.accepted for candidate in result.candidates] == [True, True]
    mended = result.candidates[0].mended
    assert mended is not None
    assert mended.code == result.candidates[0].code
    assert "+module inverter (input wire [3:0] a, output reg [3:0] y);" in mended.diff
    assert result.candidates[0].raw == slip
    assert result.candidates[1].mended is None
    assert not run(slip, header=HEADER).accepted


def test_more_answers_are_drawn_while_the_choice_is_unsure() -> None:
    model = Scripted([RIGHT, WRONG], [RIGHT, RIGHT])
    result = ask(model, n=2, sure=0.6, most=4)
    assert len(result.candidates) == 4
    assert not result.unsure
    assert [sampling.seed for sampling in model.samplings] == [7, 9]
    unsure = ask(Scripted([RIGHT, WRONG], [BROKEN]), n=2, sure=0.99, most=3)
    assert len(unsure.candidates) == 3
    assert unsure.unsure
    assert ask(Scripted([RIGHT, RIGHT]), n=2, sure=0.5, most=4).unsure is False


def test_what_the_compiler_says_goes_back_to_the_model() -> None:
    model = Scripted([BROKEN], [WRONG], [RIGHT])
    result = ask(model, n=1, repairs=2, mend=False)
    assert result.best == 1  # it compiles, and nobody knows better
    assert result.candidates[1].answers_to == 0
    assert result.candidates[1].told == COMPILER
    assert "line 2: " in model.prompts[1]
    assert "'b'" in model.prompts[1]
    assert "assign y = ~b;" in model.prompts[1]


def test_what_the_testbench_says_goes_back_only_where_there_is_one(bench: Bench) -> None:
    model = Scripted([WRONG], [WRONG], [RIGHT])
    result = ask(model, n=1, repairs=3, bench=bench)
    assert result.accepted
    assert result.best == 2
    assert [candidate.told for candidate in result.candidates] == [None, TESTBENCH, TESTBENCH]
    assert "Test failed with 16 errors" in model.prompts[1]


def test_after_a_repair_agreement_is_among_what_was_drawn_for_it() -> None:
    one = ask(Scripted([BROKEN], [RIGHT]), n=1, repairs=1, mend=False)
    assert one.accepted
    assert one.selection is not None
    assert (one.selection.agreeing, one.selection.of, one.selection.confidence) == (1, 1, None)
    two = ask(Scripted([BROKEN, BROKEN], [RIGHT, RIGHT]), n=2, repairs=1, mend=False)
    assert two.selection is not None
    assert (two.selection.agreeing, two.selection.of) == (2, 2)
    assert two.selection.confidence == confidence(2, 2)


class Failing(Scripted):
    """A model that is gone when it has given its answers."""

    def next_answers(self, sampling: Sampling) -> Sequence[str]:
        if not self.rounds:
            raise ModelError("the server does not answer")
        return super().next_answers(sampling)


def test_a_model_that_fails_later_takes_nothing_from_what_it_has_answered() -> None:
    repaired = ask(Failing([BROKEN, BROKEN]), n=2, repairs=2, mend=False)
    assert len(repaired.candidates) == 2
    assert repaired.notes == ("not repaired: the server does not answer",)
    more = ask(Failing([RIGHT, WRONG]), n=2, sure=0.9, most=8)
    assert more.accepted
    assert more.unsure
    assert more.notes == ("no more answers drawn: the server does not answer",)
    with pytest.raises(ModelError):
        ask(Failing(), n=2)


def test_the_first_answer_has_no_confidence_to_wait_for() -> None:
    assert len(ask(Scripted([RIGHT, WRONG]), n=2, select="first", sure=0.9, most=8).candidates) == 2


def test_a_pass_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="the pass line is too long"):
        bench_from_text("module tb; initial $finish; endmodule", pass_line="a" * 1001)


def test_an_empty_specification_is_refused() -> None:
    for spec in ("", " \n\t"):
        with pytest.raises(InputError, match="the specification is empty"):
            run(RIGHT, spec=spec)


def test_a_specification_that_is_not_text_is_refused() -> None:
    with pytest.raises(InputError, match="not text in UTF-8"):
        run(RIGHT, spec="an inverter \udcff")


def test_a_header_is_read_with_and_without_its_module() -> None:
    assert read_header(HEADER) == HEADER
    assert read_header(RIGHT) == HEADER
    assert read_header(f"// the interface\n{HEADER}\n") == HEADER
    assert read_header(f"{HEADER} // endmodule comes later\n") == HEADER
    assert stated_interface("an inverter", f"{HEADER} // endmodule comes later\n").name == "inverter"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" \n", "the header is empty"),
        ("// nothing\nendmodule", "not Verilog"),
        ("an inverter", "not Verilog"),
        ("module inverter (input a", "not Verilog"),
        (RIGHT + OTHER_NAME, "2 are there"),
    ],
)
def test_a_header_that_is_none_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_header(text)
    assert "\n" not in str(caught.value)
