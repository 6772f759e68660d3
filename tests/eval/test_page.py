"""The page of a run as text: complete, self-contained, and nothing in it that a model wrote is markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autovcoder.errors import StoreError
from autovcoder.files import read_jsonl
from autovcoder.records import Diagnostic, PassRule, Verdict
from autovcoder.store import read_manifest
from eval.failures import failure_class
from eval.results import write_page
from eval.run import score
from hdl_sim.icarus import Icarus

from .page_run import ANSWERS, HOSTILE, MARKUP, PROBLEMS, run_page
from .suite_of_two import A_AND_B, BROKEN, NOT_A, design, sample


class Page(HTMLParser):
    """The elements of a page, its texts, and what its scripts hold."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        (self.scripts if self.elements and self.elements[-1][0] == "script" else self.texts).append(data)

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_page(tmp_path_factory.mktemp("page") / "run").parent


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def test_the_page_shows_scores_failures_and_every_answer(page: Page) -> None:
    texts = " ".join(" ".join(page.texts).split())
    assert "pass@1 27.8 %" in texts  # a half, a third and none
    for status in ("pass", "mismatch", "elaboration error", "no code"):
        assert status in texts
    assert "use of undeclared identifier '...'" in texts
    assert len(page.data["problems"]) == 3
    assert [answer["status"] for answer in page.data["answers"]] == [
        "pass", "mismatch", "pass", "elaboration_error", "mismatch", "mismatch", "no_code",
    ]  # fmt: skip
    broken = page.data["answers"][3]
    assert (broken["diagnostics"][0]["line"], broken["raw"]) == (2, None)
    assert "nowhere" in broken["diagnostics"][0]["message"]
    assert page.data["answers"][4]["raw"].startswith("Sure!")


def test_nothing_that_a_model_wrote_is_markup(page: Page) -> None:
    assert [tag for tag, _ in page.elements if tag in ("script", "img", "iframe", "link", "object", "embed")] == [
        "script",
        "script",
    ]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.data["problems"][2]["id"] == HOSTILE.id
    assert f"hand {MARKUP}" in " ".join(page.texts)


def test_characters_that_hide_what_is_there_are_shown_as_such(page: Page) -> None:
    assert "\N{REPLACEMENT CHARACTER} reversed" in page.data["answers"][5]["code"]
    assert "\u202e" not in json.dumps(page.data, ensure_ascii=False)


def test_the_page_names_no_other_file_or_address(folder: Path, page: Page) -> None:
    for tag, attributes in page.elements:
        assert not {"src", "href", "action", "srcset"} & attributes.keys(), tag
    (policy,) = (a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    text = (folder / "report.html").read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|url\(|@import", text)


def test_one_waveform_is_drawn_for_each_problem_that_went_wrong(folder: Path, page: Page) -> None:
    drawn = [(row["problem_id"], row["index"]) for row in read_jsonl(folder / "waves.jsonl")]
    assert drawn == [(HOSTILE.id, 0), ("not_a", 1), ("a_and_b", 2)]
    wave = page.data["answers"][1]["wave"]
    assert [signal["name"] for signal in wave["signals"]] == ["a", "b", "y_ref", "y_dut"]
    assert wave["mismatch"] == 0
    assert page.data["answers"][0]["wave"] is None


def test_waveforms_are_not_drawn_twice(tmp_path: Path) -> None:
    run_page(tmp_path)
    before = (tmp_path / "waves.jsonl").read_bytes()
    stopped = {
        "stage": "eval.run",
        **{k: read_manifest(tmp_path).model_dump()[k] for k in ("config", "inputs", "seed")},
    }
    stopped["versions"] = read_manifest(tmp_path).versions
    # As if killed just before the end, with half of a waveform written.
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "stage.json").write_text(json.dumps(stopped))
    first, rest = before.split(b"\n", 1)
    (tmp_path / "waves.jsonl").write_bytes(first.replace(b'"fault": null', b'"fault": "kept"') + b"\n" + rest[:50])
    run_page(tmp_path)
    rows = list(read_jsonl(tmp_path / "waves.jsonl"))
    assert [row["fault"] for row in rows] == ["kept", None, None]
    assert [row["waveform"] for row in rows[1:]] == [json.loads(line)["waveform"] for line in rest.splitlines()]


def test_a_bench_that_cannot_be_drawn_costs_a_picture_and_not_the_run(tmp_path: Path) -> None:
    class Failing(Icarus):
        def dump(self, *_: object, **__: object) -> bytes:
            raise StoreError("no picture today")

    score([NOT_A], [sample("not_a", 0, design("a"))], Failing(), tmp_path, source={"model": "hand"})
    (row,) = read_jsonl(tmp_path / "waves.jsonl")
    assert (row["waveform"], row["fault"]) == (None, "no picture today")
    assert Page((tmp_path / "report.html").read_text()).data["answers"][0]["wave"] is None


def test_a_finished_run_without_its_page_gets_it_and_the_manifest_does_not_list_it(tmp_path: Path) -> None:
    page = run_page(tmp_path)
    text = page.read_text()
    assert "report.html" not in read_manifest(tmp_path).sha256
    page.unlink()
    run_page(tmp_path)
    assert page.read_text() == text
    assert write_page(tmp_path).read_text() == text


def test_a_run_that_is_not_finished_or_is_damaged_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a finished stage folder"):
        write_page(tmp_path)
    run_page(tmp_path / "run")
    (tmp_path / "run" / "problems.jsonl").unlink()
    with pytest.raises(StoreError, match=r"cannot be read.*problems\.jsonl"):
        write_page(tmp_path / "run")


def test_what_cannot_pass_is_named_with_the_reason(tmp_path: Path) -> None:
    answers = [*ANSWERS, sample("broken", 0, design("a"))]
    texts = " ".join(Page(run_page(tmp_path, (*PROBLEMS, BROKEN), answers).read_text()).texts)
    assert "its own reference fails: mismatch" in texts


def test_a_long_text_loses_its_end_with_a_note(tmp_path: Path) -> None:
    long = sample("a_and_b", 0, design("a & b")).model_copy(update={"raw": "la " * 50_000})
    page = Page(run_page(tmp_path, (A_AND_B,), [long]).read_text())
    assert page.data["answers"][0]["raw"].endswith("\n[130,000 more characters are not in this page]")


@pytest.mark.parametrize(
    ("verdict", "name"),
    [
        (Verdict(status="pass", stage="simulate"), ""),
        (Verdict(status="mismatch", stage="simulate", mismatches=5, samples=5), "wrong in every sample"),
        (Verdict(status="mismatch", stage="simulate", mismatches=1, samples=2), "wrong in 50 to 100% of the samples"),
        (
            Verdict(status="mismatch", stage="simulate", mismatches=1, samples=999),
            "wrong in less than 1% of the samples",
        ),
        (Verdict(status="mismatch", stage="simulate"), "wrong output"),
        (Verdict(status="timeout", stage="elaborate"), "compilation takes too long"),
        (Verdict(status="no_code", stage="extract"), "no Verilog in the answer"),
        (Verdict(status="no_result", stage="simulate"), "the bench came to no result"),
    ],
)
def test_failures_are_classed_by_cause(verdict: Verdict, name: str) -> None:
    assert failure_class(verdict) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("use of undeclared identifier 'a_b'", "use of undeclared identifier 'state'"),
        ("Unable to bind wire/reg/memory `q' in `tb.dut'", "Unable to bind wire/reg/memory `n' in `tb.x'"),
        ("value 3'b111 would overflow 'reg[2:0]'", "value 4'hF would overflow 'reg[3:0]'"),
        ("Port 3 (y) expects 8 bits", "Port 12 (y) expects 16 bits"),
    ],
)
def test_messages_that_differ_in_names_and_numbers_alone_are_one_class(one: str, other: str) -> None:
    def verdict(message: str) -> Verdict:
        warning = Diagnostic(severity="warning", message="never mind")
        error = Diagnostic(severity="error", message=message)
        return Verdict(status="elaboration_error", stage="elaborate", diagnostics=(warning, error))

    assert failure_class(verdict(one)) == failure_class(verdict(other))
    assert failure_class(verdict(one)) != failure_class(verdict("something else"))


def test_a_bench_that_only_prints_a_line_when_all_is_well_has_a_waveform_too(tmp_path: Path) -> None:
    # Without a $finish, too: the run ends long after the last change, and the window must not.
    source = A_AND_B.bench.sources["tb.v"].replace("$finish;", "").replace('$display("Mis', 'if (!bad) $display("Mis')
    rule = PassRule(kind="pass_line", pattern="Mismatches: 0")
    reference = design("a & b")
    bench = A_AND_B.bench.model_copy(update={"pass_rule": rule, "sources": {"tb.v": A_AND_B.bench.sources["tb.v"]}})
    quiet = bench.model_copy(update={"sources": {"tb.v": source}})
    problem = A_AND_B.model_copy(update={"bench": quiet, "reference": None})
    score([problem], [sample("a_and_b", 0, design("a | b"))], Icarus(), tmp_path, source={"model": "hand"})
    answer = Page((tmp_path / "report.html").read_text()).data["answers"][0]
    assert answer["status"] == "no_result"
    assert [signal["name"] for signal in answer["wave"]["signals"]] == ["a", "b", "y"]
    assert answer["wave"]["mismatch"] is None
    assert answer["wave"]["timescale"] == "1 ns"
    assert answer["wave"]["end"] <= 4  # its last change is at 3
    problem = A_AND_B.model_copy(update={"bench": bench, "reference": reference})
    score([problem], [sample("a_and_b", 0, design("a | b"))], Icarus(), tmp_path / "two", source={"model": "hand"})
    assert Page((tmp_path / "two" / "report.html").read_text()).data["answers"][0]["wave"]["mismatch"] == 1
