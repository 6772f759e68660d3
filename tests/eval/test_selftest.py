"""The self-test lists what cannot pass and why, and says nothing about problems that can."""

from __future__ import annotations

from pathlib import Path

import pytest

from autovcoder.errors import StoreError, ToolMissing
from autovcoder.files import read_jsonl
from autovcoder.records import Bench, Problem, Verdict
from autovcoder.store import read_manifest
from eval.answerable import contradiction
from eval.run import LIMITS
from eval.selftest import SelfTest, selftest
from eval.suites import load_suite
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS

from .benchmark_copies import V2_LIST, V2_TEST, verilogeval_v2
from .suite_of_two import A_AND_B, BROKEN, HEADER, NOT_A

NO_REFERENCE = A_AND_B.model_copy(update={"id": "no_reference", "reference": None})
WRONG_PORT = A_AND_B.model_copy(update={"id": "wrong_port", "interface": HEADER.replace("input b", "input c")})
UNUSABLE = NOT_A.model_copy(
    update={"id": "unusable", "bench": NOT_A.bench.model_copy(update={"sources": {"tb.v": "module tb; foo = ;"}})}
)


def test_what_cannot_pass_is_listed_with_its_reason() -> None:
    result = selftest([BROKEN, NOT_A, UNUSABLE, WRONG_PORT, NO_REFERENCE], Icarus(), LIMITS)
    assert (result.problems, result.references_pass, result.passable) == (5, 2, 2)
    assert list(result.cannot_pass) == ["broken", "unusable", "wrong_port"]
    assert result.cannot_pass["broken"] == "its own reference fails: mismatch"
    assert "the testbench does not compile" in result.cannot_pass["unusable"]
    assert result.cannot_pass["wrong_port"] == "the testbench connects b, which the problem's interface lacks"
    assert result.no_reference == ("no_reference",)
    assert result.simulator == Icarus().name


class Counting(Icarus):
    """The real simulator, with a list of what it was given; it is gone when ``breaks_at`` comes."""

    def __init__(self, breaks_at: str | None = None) -> None:
        super().__init__()
        self.seen: list[str | None] = []
        self.breaks_at = breaks_at

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        if design == self.breaks_at:
            raise ToolMissing("gone")
        self.seen.append(design)
        return super().run(design, bench, limits)


def test_the_folder_holds_the_result_and_an_interrupted_test_goes_on(tmp_path: Path) -> None:
    problems = [NOT_A, A_AND_B, BROKEN]
    with pytest.raises(ToolMissing):
        selftest(problems, Counting(breaks_at=A_AND_B.reference), LIMITS, tmp_path / "out")
    again = Counting()
    result = selftest(problems, again, LIMITS, tmp_path / "out")
    assert set(again.seen) == {A_AND_B.reference, BROKEN.reference}
    assert result == selftest(problems, Icarus(), LIMITS)
    rows = list(read_jsonl(tmp_path / "out" / "references.jsonl"))
    assert sorted(row["problem_id"] for row in rows) == ["a_and_b", "broken", "not_a"]
    assert SelfTest.model_validate_json((tmp_path / "out" / "selftest.json").read_text()) == result
    assert read_manifest(tmp_path / "out").facts == {"problems": 3, "passable": 2}
    finished = Counting()
    assert selftest(problems, finished, LIMITS, tmp_path / "out") == result
    assert finished.seen == []
    with pytest.raises(StoreError, match="suite_hash"):
        selftest(problems[:2], Icarus(), LIMITS, tmp_path / "out")


@pytest.mark.parametrize(
    ("header", "bench", "reason"),
    [
        (HEADER, "top_module d(.a(a), .b(b), .y(y));", None),
        (HEADER, "top_module d(.a, .b, .y);", None),
        (HEADER, "top_module d(.*);", None),
        (HEADER, "top_module d(a, b, y);", None),
        (HEADER, "top_module d(.a(a));", None),  # leaves ports open
        (HEADER, "top_module d(.a(a), .q(y));", "the testbench connects q, which the problem's interface lacks"),
        (HEADER, "top_module d(a, b, y, z);", "the testbench connects 4 ports by place, the problem's interface has 3"),
        (HEADER, "other d(a, b, y);", "the problem asks for the module top_module, the testbench instantiates other"),
        (HEADER, "if (0) top_module d(.q(y));", "the testbench connects q, which the problem's interface lacks"),
        (HEADER, "", None),  # no design at all: the reference tells
        ("not a header", "top_module d(.q(y));", None),
        (None, "top_module d(.q(y));", None),
    ],
)
def test_a_header_is_taken_at_its_word(header: str | None, bench: str, reason: str | None) -> None:
    sources = {"tb.v": f"module tb; wire a, b, y, z; {bench} endmodule"}
    update = {"interface": header, "bench": NOT_A.bench.model_copy(update={"sources": sources})}
    assert contradiction(NOT_A.model_copy(update=update)) == reason


@pytest.mark.parametrize(
    ("ports", "reason"),
    [
        (".a(a), .y(y)", None),
        (".a(a), .y(y), .extra(a)", None),  # the list may have been read in part only
        (".a(a), .z(y)", "the testbench connects z, which the problem's interface lacks"),
    ],
)
def test_a_list_of_ports_speaks_only_when_both_sides_have_a_port_too_many(ports: str, reason: str | None) -> None:
    sources = {"tb.v": f"module tb; wire a, y; TopModule d({ports}); endmodule"}
    update = {"interface": None, "spec": V2_LIST, "bench": NOT_A.bench.model_copy(update={"sources": sources})}
    assert contradiction(NOT_A.model_copy(update=update)) == reason


def test_a_bench_that_uses_ports_which_its_prompt_lacks_is_recognised_in_a_suite(tmp_path: Path) -> None:
    test = V2_TEST.replace(".a, .y(y_ref)", ".a, .z(y_ref)").replace(".a, .y(y_dut)", ".a, .z(y_dut)")
    problems: list[Problem] = load_suite("verilogeval-v2-spec-to-rtl", verilogeval_v2(tmp_path, test=test))
    result = selftest(problems, Icarus(), LIMITS)
    assert result.cannot_pass == {
        "Prob001_invert": "the testbench connects z, which the problem's interface lacks",
    }
    assert result.references_pass == 0
