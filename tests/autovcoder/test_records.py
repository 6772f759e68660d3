"""Records: canonical ids, immutability, and one line of JSON there and back."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autovcoder.records import (
    Bench,
    Diagnostic,
    PassRule,
    Port,
    QualityScore,
    Sample,
    Sampling,
    Verdict,
    content_id,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_content_id_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assert content_id(value) == content_id(dict(reversed(value.items())))
    assert re.fullmatch(r"[0-9a-f]{64}", content_id(value))


@settings(deadline=None)
@given(json_values, json_values)
def test_content_id_tells_different_content_apart(a: object, b: object) -> None:
    # JSON knows no difference between True and 1 only in Python's own comparison.
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (content_id(a) == content_id(b)) == same


def test_content_id_keeps_its_parts_apart() -> None:
    assert content_id("ab", "c") != content_id("a", "bc")
    assert content_id("a", "b") != content_id(["a", "b"])


def test_content_id_is_the_same_in_another_process() -> None:
    code = "from autovcoder.records import content_id; print(content_id({'b': 1, 'a': 'Grüße'}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert done.stdout.strip() == content_id({"a": "Grüße", "b": 1})


def test_records_are_frozen_and_refuse_unknown_fields() -> None:
    port = Port(name="a", direction="input")
    with pytest.raises(ValidationError):
        port.name = "b"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Port.model_validate({"name": "a", "direction": "input", "widht": 3})


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Sampling, {"n": 0}),
        (Sampling, {"temperature": -0.1}),
        (Sampling, {"top_p": 0}),
        (Sampling, {"top_p": 1.1}),
        (Sampling, {"max_new_tokens": 0}),
        (QualityScore, {"scorer": "s", "value": 10.5}),
        (Verdict, {"status": "passed", "stage": "simulate"}),
        (PassRule, {"kind": "any_line_with_pass"}),
    ],
)
def test_values_out_of_range_are_refused(kind: type[Sampling], fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(fields)


@settings(deadline=None)
@given(st.text(), st.text() | st.none(), st.integers(0, 9))
def test_a_sample_survives_json_whatever_the_model_wrote(raw: str, code: str | None, index: int) -> None:
    sample = Sample(
        problem_id="p", index=index, prompt_sha256="0", raw=raw, code=code, model="m", sampling=Sampling(n=10)
    )
    line = sample.model_dump_json()
    assert "\n" not in line
    assert Sample.model_validate_json(line) == sample


def test_only_the_status_pass_counts_as_passed() -> None:
    diagnostics = (Diagnostic(severity="error", message="expected ';'", line=3, column=1),)
    failed = Verdict(status="syntax_error", stage="parse", diagnostics=diagnostics)
    assert Verdict(status="pass", stage="simulate").passed
    assert not failed.passed
    assert Verdict.model_validate_json(failed.model_dump_json()) == failed


def test_a_bench_keeps_its_files_apart_from_its_data() -> None:
    bench = Bench(
        kind="verilog",
        sources={"tb.v": "module tb; endmodule"},
        data_files={"rom.hex": "00 ff"},
        top="tb",
        pass_rule=PassRule(kind="mismatch_count", expected_samples=100),
    )
    assert Bench.model_validate_json(bench.model_dump_json()) == bench
