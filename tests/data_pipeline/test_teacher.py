"""The language-model teacher against a real server on this machine, with all that servers and models do wrong."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.config import load_settings
from autovcoder.errors import ConfigError, InputError, ModelError, StoreError
from autovcoder.files import read_jsonl, read_records
from autovcoder.records import Draft, content_id
from autovcoder.store import Manifest, read_manifest
from data_pipeline import teacher_answer
from data_pipeline.budget import Budget, BudgetReached, Ended, Tokens
from data_pipeline.chat_client import ChatServer, Patience, read_completion
from data_pipeline.draft_journal import HOPELESS, read_journal
from data_pipeline.taxonomy import load_topics
from data_pipeline.teacher import DraftSettings, Progress, make_drafts, make_plan
from data_pipeline.teacher_answer import MAX_ANSWER, BadAnswer, judge_answer, read_answer
from data_pipeline.teacher_prompt import FIELDS, teacher_prompt
from hdl_sim.icarus import Icarus

from .chat_server import Asked, chat_host, small_draft

AUTOVCODER = str(Path(sys.executable).with_name("autovcoder"))
DATA = os.environ.get("AUTOVCODER_DATA")
QUICK: dict[str, Any] = {"backoff_s": 0.01, "longest_wait_s": 3.0, "timeout_s": 8.0, "model": "m"}
NAN, INF = float("nan"), float("inf")


def drafting(out: Path, url: str, **settings: Any) -> Manifest:
    """Make drafts; however that ends, each request is a draft, dropped or still to be asked."""
    resolved = DraftSettings(**{**QUICK, "server": url, **settings})
    try:
        manifest = make_drafts(out, resolved)
    except ModelError:
        if (out / "raw.jsonl").exists():
            journal = read_journal(out / "raw.jsonl", make_plan(load_topics(), resolved), "m", resolved.attempts)
            assert not journal.drafts.keys() & journal.dropped.keys()
            assert kept(out) + len(rows(out, "dropped.jsonl")) == len(journal.settled)
        raise
    facts = manifest.facts
    assert facts["drafts"] + facts["dropped"] + facts["unasked"] == facts["requests"]
    assert (facts["drafts"], facts["dropped"]) == (kept(out), len(rows(out, "dropped.jsonl")))
    return manifest


def kept(out: Path) -> int:
    return len(rows(out, "drafts.jsonl"))


def replies(out: Path) -> list[dict[str, Any]]:
    """The rows of what came back."""
    return [row for row in rows(out, "raw.jsonl") if row["outcome"] not in ("asked", "dropped")]


def rows(out: Path, file: str) -> list[dict[str, Any]]:
    return list(read_jsonl(out / file)) if (out / file).exists() else []


def topics_of(out: Path) -> list[str]:
    return [draft.topic for draft in read_records(out / "drafts.jsonl", Draft)]


def numbers(count: int, **settings: Any) -> dict[str, int]:
    """Prompt to its request's index, of a run with ``count`` requests."""
    plan = make_plan(load_topics(), DraftSettings(model="m", server="http://localhost", count=count, **settings))
    return {teacher_prompt(one.topic, one.level, one.circuit_type, one.seed): one.index for one in plan}


# ---- what is asked -------------------------------------------------------------------------------


def test_the_plan_takes_every_topic_once_before_any_twice() -> None:
    topics = load_topics()
    settings = DraftSettings(model="m", server="s", count=2 * len(topics), seed=4)
    plan = make_plan(topics, settings)
    names = [request.topic for request in plan]
    assert Counter(names[: len(topics)]) == Counter(topic.name for topic in topics)
    assert names[: len(topics)] != names[len(topics) :]
    assert [request.index for request in plan] == list(range(len(plan)))
    assert len({request.seed for request in plan}) == len(plan)
    scope = {topic.name: topic for topic in topics}
    assert all(request.level in scope[request.topic].levels for request in plan)
    assert all(request.circuit_type in scope[request.topic].circuit_types for request in plan)
    assert make_plan(topics, settings) == plan
    assert make_plan(topics, settings.model_copy(update={"count": 30})) == plan[:30]
    assert make_plan(topics, settings.model_copy(update={"seed": 5})) != plan


def test_a_plan_for_one_level_has_only_that() -> None:
    plan = make_plan(load_topics(), DraftSettings(model="m", server="s", count=400, levels=("hard",)))
    assert {request.level for request in plan} == {"hard"}


def test_a_prompt_states_topic_level_contract_and_varies_with_the_seed() -> None:
    prompts = [teacher_prompt("a gizmo", "hard", "sequential", seed) for seed in range(200)]
    assert prompts == [teacher_prompt("a gizmo", "hard", "sequential", seed) for seed in range(200)]
    assert len(set(prompts)) > 150
    for prompt in prompts:
        assert "a gizmo" in prompt
        assert "\nLevel: hard" in prompt
        assert all(f'"{name}"' in prompt for name in FIELDS)
        assert "Mismatches: %0d in %0d samples" in prompt
        assert "class Model:" in prompt
        assert "def model(" not in prompt
    assert 20 < sum("SystemVerilog (IEEE" in prompt for prompt in prompts) < 80
    kinds = Counter(re.findall(r"It has an? (\w+ active-\w+) reset", "".join(prompts)))
    assert len(kinds) == 4
    combinational = teacher_prompt("a gizmo", "easy", "combinational", 1)
    assert "def model(" in combinational
    assert "class Model" not in combinational
    assert "reset" not in combinational.split('"problem"')[0]


# ---- what an answer is ---------------------------------------------------------------------------

ASKED = Asked("on this topic:\n\n    things\n\nKind of circuit: sequential.", {}, {}, 0.0, 0)
GOOD = small_draft(ASKED)


def read(text: str) -> Draft:
    return read_answer(text, "things", "easy", "sequential", "m")


def test_a_draft_is_found_in_json_in_a_fence_and_among_words() -> None:
    plain = json.dumps(GOOD)
    draft = read(plain)
    assert draft.code == GOOD["code"]
    assert draft.problem == GOOD["problem"]
    assert draft.testbench.sources == {"testbench.sv": GOOD["testbench"]}
    assert (draft.testbench.top, draft.testbench.pass_rule.kind) == ("tb", "mismatch_count")
    assert (draft.id, draft.teacher) == (content_id(draft.problem, draft.code), "m")
    fenced = json.dumps({**GOOD, "code": f"```verilog\n{GOOD['code']}```"})
    for text in (
        f"```json\n{plain}\n```",
        f'<think>with {{a, b}} and {{"x": 1}}</think>\nHere it is:\n\n{plain}\n\nGood luck!',
        json.dumps({"answer": GOOD}),
        plain.replace("\\n", "\n"),
        plain.replace("\\n", "\\r\\n"),
        json.dumps({**GOOD, "notes": ["more", 1]}),
        fenced,
    ):
        assert read(text) == draft


def test_what_a_draft_says_is_simulated_as_it_is() -> None:
    for kind in ("sequential", "combinational"):
        asked = Asked(ASKED.prompt.replace("sequential", kind), {}, {}, 0.0, 0)
        draft = read_answer(json.dumps(small_draft(asked)), "things", "easy", kind, "m")
        verdict = Icarus().run(draft.code, draft.testbench)
        assert (verdict.status, verdict.samples) == ("pass", 16)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON object"),
        ("I cannot help with that.", "no JSON object"),
        (json.dumps(GOOD)[:-9], "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"a":' * 50_000, "no JSON object"),
        ('{"a":' + "9" * 10_000 + "}", "no JSON object"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "testbench"}), "a key is missing"),
        (json.dumps({**GOOD, "code": ["module"]}), "'code' is not a string"),
        (json.dumps({**GOOD, "problem": None}), "'problem' is not a string"),
        (json.dumps({**GOOD, "problem": " \n"}), "'problem' is empty"),
        (json.dumps({**GOOD, "code": GOOD["code"] + "\0"}), "control characters"),
        (json.dumps({**GOOD, "problem": "\x1b[2J" + GOOD["problem"]}), "control characters"),
        (json.dumps({**GOOD, "problem": "p" * 20_001}), "'problem' is too long"),
        (json.dumps({**GOOD, "notes": "x" * MAX_ANSWER}), "too long"),
        (json.dumps({**GOOD, "module": "../../m"}), "'module' is not a name"),
        (json.dumps({**GOOD, "module": "other"}), "does not define 'module'"),
        (json.dumps({**GOOD, "code": "assign y = a;"}), "'code' is not a whole module"),
        (json.dumps({**GOOD, "code": GOOD["code"].replace("endmodule", "")}), "'code' is not a whole module"),
        (json.dumps({**GOOD, "code": GOOD["code"] + "module two (input a);\nendmodule"}), "more than one module"),
        (json.dumps({**GOOD, "testbench": "module tb; initial $finish; endmodule"}), "does not name the design"),
        (json.dumps({**GOOD, "testbench": GOOD["testbench"].replace("Mismatches", "Errors")}), "the line asked for"),
        (json.dumps({**GOOD, "reference_model": "def model(inputs):\n    return {}"}), "'reference_model'"),
        (json.dumps({**GOOD, "reference_model": "# class Model: def step("}), "'reference_model'"),
    ],
)
def test_what_is_no_draft_is_dropped_with_the_reason(text: str, reason: str) -> None:
    begun = time.process_time()
    with pytest.raises(BadAnswer, match=re.escape(reason)):
        read(text)
    assert time.process_time() - begun < 3


def test_halves_of_characters_and_long_runs_do_no_harm() -> None:
    draft = read(json.dumps({**GOOD, "problem": "half \ud800 and \U0001f600"}))
    assert draft.problem == "half � and \U0001f600"
    begun = time.process_time()
    for filling in (" " * 90_000, "\n" * 90_000, "```" * 30_000, "class Model:\n" * 6_000, "module " * 12_000):
        for name in FIELDS:
            with pytest.raises(BadAnswer):
                read(json.dumps({**GOOD, name: filling + "!", "module": "other"}))
    assert time.process_time() - begun < 10


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_any_answer_is_read_without_a_fault(text: str) -> None:
    with pytest.raises(BadAnswer):
        read(text)


# ---- faults --------------------------------------------------------------------------------------

FAULTS = [
    "429",
    "429 after 0.2",
    "500",
    "503",
    "408",
    "cut json",
    "cut at length",
    "cut body",
    "hang",
    "drip",
    "reset",
    "wrong schema",
    "no choices",
    "no content",
    "not json",
    "huge",
    "gzip",
]


def test_no_draft_is_lost_to_any_fault_and_the_order_of_arrival_leaves_no_trace(tmp_path: Path) -> None:
    index = numbers(40)

    def fault(asked: Asked) -> str | None:
        """Each of the first requests meets its fault once, and every third of them another one after that."""
        kinds = FAULTS[index[asked.prompt] : index[asked.prompt] + 1] if index[asked.prompt] < len(FAULTS) else []
        kinds = [*kinds, "500"] if index[asked.prompt] % 3 == 0 else kinds
        return kinds[asked.nth] if asked.nth < len(kinds) else None

    with chat_host(fault=fault, delay=lambda asked: 0.03) as host:
        manifest = drafting(tmp_path / "faults", host.url, count=40, concurrency=5, timeout_s=1)
    assert manifest.facts["drafts"] == 40
    assert manifest.facts["dropped"] == manifest.facts["unasked"] == 0
    assert rows(tmp_path / "faults", "dropped.jsonl") == []
    raw = replies(tmp_path / "faults")
    assert len(raw) == len(host.asked) == manifest.facts["asked"]
    assert manifest.facts["asked_again"] == len(raw) - 40
    assert [row["outcome"] for row in raw if row["index"] == FAULTS.index("gzip")] == ["answer"]
    assert host.most_open == 5
    told = manifest.facts["faults"]
    assert (told["HTTP 503"], told["HTTP 408"], told["HTTP 429"]) == (1, 1, 2)
    assert told["timeout"] >= 2  # a slow machine makes more
    assert (told["no chat completion"], told["the connection broke"], told["the answer is too large"]) == (2, 2, 1)
    assert sum(manifest.facts["bad_answers"].values()) == 4
    with chat_host() as host:
        drafting(tmp_path / "plain", host.url, count=40, concurrency=1)
    assert host.most_open == 1
    assert (tmp_path / "faults/drafts.jsonl").read_bytes() == (tmp_path / "plain/drafts.jsonl").read_bytes()


def test_every_answer_is_kept_as_it_came(tmp_path: Path) -> None:
    with chat_host(fault=lambda asked: ["429 slow down", "wrong schema", None][asked.nth]) as host:
        drafting(tmp_path / "out", host.url, count=1)
    busy, wrong, good = replies(tmp_path / "out")
    assert (busy["index"], busy["status"], busy["outcome"], busy["reason"]) == (0, 429, "fault", "HTTP 429")
    assert json.loads(busy["body"]) == {"error": {"message": "slow down"}}
    assert busy["usage"] == {"input": 0, "output": 0, "counted_by_server": False}
    assert (wrong["outcome"], wrong["attempt"], wrong["finish_reason"]) == ("answer", 1, "stop")
    assert (good["outcome"], good["attempt"], good["form"]) == ("answer", 2, "json_schema")
    assert good["usage"] == {"input": 900, "output": 100, "counted_by_server": True}
    assert json.loads(good["body"])["choices"][0]["message"]["content"] == json.dumps(small_draft(host.asked[0]))
    assert 0 <= good["seconds"] < 1
    seeds = [asked.request["seed"] for asked in host.asked]
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_server_that_asks_to_wait_is_waited_for(tmp_path: Path) -> None:
    def fault(asked: Asked) -> str | None:
        return ["429 after 0.5", f"429 after {formatdate(time.time() + 2, usegmt=True)}", None][asked.nth]

    with chat_host(fault=fault) as host:
        drafting(tmp_path / "out", host.url, count=1)
    first, second, third = (asked.at for asked in host.asked)
    assert second - first >= 0.5
    assert third - second >= 0.9


@given(st.integers(1, 100), st.none() | st.floats(0, 1e9), st.floats(0, 1))
def test_waits_grow_until_a_bound(faults: int, asked_for: float | None, chance: float) -> None:
    patience = Patience(backoff_s=0.5, longest_wait_s=40)
    wait = patience.wait_s(faults, asked_for, chance)
    assert wait <= 40
    assert wait >= min(40, asked_for or 0)
    if not asked_for and faults <= 6:
        assert 0.25 * 2 ** (faults - 1) <= wait <= 0.5 * 2 ** (faults - 1)
    if faults > 8:
        assert wait == 40


def test_waits_that_grow_are_waited_and_said(tmp_path: Path) -> None:
    told: list[Progress] = []
    with chat_host(fault=lambda asked: "500" if asked.nth < 8 else None) as host:
        settings = DraftSettings(**{**QUICK, "backoff_s": 0.04, "longest_wait_s": 0.2}, server=host.url, count=1)
        make_drafts(tmp_path / "out", settings, told.append)
    waits = [b.at - a.at for a, b in itertools.pairwise(host.asked)]
    assert all(wait >= least for wait, least in zip(waits, (0.02, 0.04, 0.08, 0.16, 0.2, 0.2, 0.2, 0.2), strict=True))
    assert waits[7] < 2  # without a bound at least 2.5
    assert told[0] == Progress(0, 1, 0, None)  # from the start on
    assert "waiting 0 s: HTTP 500" in [progress.note for progress in told]


def test_a_slow_answer_stops_nobody_else(tmp_path: Path) -> None:
    index = numbers(30)
    with chat_host(delay=lambda asked: 0.8 if index[asked.prompt] == 0 else 0.0) as host:
        drafting(tmp_path / "out", host.url, count=30, concurrency=3, timeout_s=10)
    raw = replies(tmp_path / "out")
    assert raw[-1]["index"] == 0
    assert topics_of(tmp_path / "out")[0] == raw[-1]["topic"]


def test_what_never_comes_right_is_dropped_with_its_reason_and_the_rest_stays(tmp_path: Path) -> None:
    index = numbers(12)
    faults = {2: "wrong schema", 5: "cut json", 7: "500", 9: "400 too long", 11: "no content"}
    with chat_host(fault=lambda asked: faults.get(index[asked.prompt])) as host:
        manifest = drafting(tmp_path / "out", host.url, count=12, concurrency=2, retries=3)
    assert (manifest.facts["drafts"], manifest.facts["dropped"]) == (7, 5)
    reasons = [row["reason"] for row in rows(tmp_path / "out", "dropped.jsonl")]
    assert reasons == [
        "a key is missing",
        "the answer holds no JSON object",
        "no answer: HTTP 500",
        "the server refuses the request (HTTP 400)",
        "the answer holds no JSON object",
    ]
    asked = {index[prompt]: times for prompt, times in host.times().items()}
    # One that only meets faults has another chance after all others; a refusal is asked again with other seeds.
    assert (asked[2], asked[5], asked[7], asked[9], asked[10]) == (3, 3, 2 * 3, 3, 1)
    assert manifest.facts["dropped_because"] == dict(Counter(reasons).most_common())
    assert {row["stage"] for row in rows(tmp_path / "out", "dropped.jsonl")} == {"data.drafts"}


def test_the_same_draft_twice_is_one(tmp_path: Path) -> None:
    def answer(asked: Asked) -> str:
        return json.dumps(small_draft(Asked(f"Kind of circuit: {asked.circuit_type}", {}, {}, 0, 0)))

    with chat_host(answer=answer) as host:
        manifest = drafting(tmp_path / "out", host.url, count=10)
    assert manifest.facts["drafts"] == 2
    assert {row["reason"] for row in rows(tmp_path / "out", "dropped.jsonl")} == {
        "the same draft as that of an earlier request"
    }


def test_a_busy_server_loses_nothing_however_often_it_says_so(tmp_path: Path) -> None:
    index = numbers(80)
    first = next(iter(index))

    def fault(asked: Asked) -> str | None:
        """Busy for the first request until half of the others have their answers."""
        return "429" if asked.prompt == first and len(host.times()) < 40 else None

    with chat_host(fault=fault, delay=lambda asked: 0.01) as host:
        manifest = drafting(
            tmp_path / "out", host.url, count=80, concurrency=2, retries=2, backoff_s=0.2, longest_wait_s=0.2
        )
    assert manifest.facts["drafts"] == 80
    assert host.times()[first] > 3


@pytest.mark.parametrize("place", [0, 3, 5])
def test_one_request_that_always_fails_ends_no_run(tmp_path: Path, place: int) -> None:
    index = numbers(6)
    with chat_host(fault=lambda asked: "500" if index[asked.prompt] == place else None) as host:
        manifest = drafting(tmp_path / "out", host.url, count=6, concurrency=1, retries=2)
    assert (manifest.facts["drafts"], manifest.facts["dropped_because"]) == (5, {"no answer: HTTP 500": 1})


def test_requests_that_fail_for_ever_are_given_up_in_a_later_run(tmp_path: Path) -> None:
    index, out = numbers(9), tmp_path / "out"

    def fault(asked: Asked) -> str | None:
        return "500" if index[asked.prompt] in (2, 3, 4, 5) else None

    with chat_host(fault=fault) as host:
        with pytest.raises(ModelError, match="no answers"):  # so many in a row look like an outage
            drafting(out, host.url, count=9, concurrency=1, retries=2)
        before = len(host.asked)
        manifest = drafting(out, host.url, count=9, concurrency=1, retries=2)
    # Those that failed come last.
    assert [index[asked.prompt] for asked in host.asked[before:]][:7] == [5, 5, 6, 7, 8, 2, 2]
    assert (manifest.facts["drafts"], manifest.facts["dropped"]) == (5, 4)


@pytest.mark.parametrize("fault", ["500", "400 your credit is used up"])
@pytest.mark.parametrize(("count", "slow"), [(20, 3), (6, 3), (5, 3)])
def test_an_outage_drops_nothing_whenever_it_comes(tmp_path: Path, fault: str, count: int, slow: int) -> None:
    """After four answers nothing but faults; the slow answer is under way when the first fault comes."""
    index, out = numbers(count), tmp_path / "out"
    under_way, outage = threading.Event(), threading.Event()

    def delay(asked: Asked) -> float:
        if index[asked.prompt] == slow:
            under_way.set()
            return 0.3
        if index[asked.prompt] > slow:
            under_way.wait(10)
        return 0.0

    def broken(asked: Asked) -> str | None:
        if index[asked.prompt] > slow:
            outage.set()
        return fault if outage.is_set() and index[asked.prompt] != slow else None

    with chat_host(fault=broken, delay=delay) as host:
        with pytest.raises(ModelError, match=r"gives no answers|from here on refuses every request.*used up"):
            drafting(out, host.url, count=count, concurrency=2, retries=2)
        assert rows(out, "dropped.jsonl") == []
        host.fault = lambda asked: None
        manifest = drafting(out, host.url, count=count, concurrency=2, retries=2)
    assert (manifest.facts["drafts"], manifest.facts["dropped"]) == (count, 0)


def test_a_failure_of_sampling_is_asked_again_in_the_same_form(tmp_path: Path) -> None:
    index = numbers(8)

    def fault(asked: Asked) -> str | None:
        return "400 json_validate_failed" if index[asked.prompt] in (3, 6) and asked.nth < 2 else None

    with chat_host(fault=fault) as host:
        manifest = drafting(tmp_path / "out", host.url, count=8, concurrency=1)
    assert manifest.facts["drafts"] == 8
    assert {asked.request["response_format"]["type"] for asked in host.asked} == {"json_schema"}
    assert len({asked.request["seed"] for asked in host.asked}) == len(host.asked) == 8 + 2 * 2


@pytest.mark.parametrize(
    ("fault", "told", "change"),
    [
        ("cut at length", r"cut off at its most tokens.*raise max_tokens", {"max_tokens": 9_000}),
        ("wrong schema", r"a key is missing.*--model", {"attempts": 4}),
    ],
)
def test_when_no_answer_is_a_draft_the_run_ends_soon(
    tmp_path: Path, fault: str, told: str, change: dict[str, int]
) -> None:
    out = tmp_path / "out"
    with chat_host(fault=lambda asked: fault) as host:
        with pytest.raises(ModelError, match=told):
            drafting(out, host.url, count=40, concurrency=2)
        assert HOPELESS <= len(host.asked) <= HOPELESS + 2
        assert rows(out, "dropped.jsonl") == []
        host.fault = lambda asked: None
        assert drafting(out, host.url, count=40, **change).facts["drafts"] == 40


def test_a_greater_count_goes_on_in_the_same_folder(tmp_path: Path) -> None:
    with chat_host() as host:
        first = drafting(tmp_path / "out", host.url, count=5)
        assert drafting(tmp_path / "out", host.url, count=5, attempts=1, max_tokens=10) == first
        assert drafting(tmp_path / "out", host.url, count=3) == first
        assert drafting(tmp_path / "out", host.url, count=9).facts["drafts"] == 9
        assert len(host.asked) == 9
        drafting(tmp_path / "whole", host.url, count=9)
    assert (tmp_path / "out/drafts.jsonl").read_bytes() == (tmp_path / "whole/drafts.jsonl").read_bytes()


def test_kept_answers_are_judged_anew(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with chat_host() as host:
        drafting(out, host.url, count=3)
        lines = (out / "raw.jsonl").read_text().splitlines(keepends=True)
        number = next(i for i, row in enumerate(map(json.loads, lines)) if row["outcome"] == "answer")
        lines[number] = lines[number].replace("Mismatches:", "Errors:")
        (out / "raw.jsonl").write_text("".join(lines))
        manifest = drafting(out, host.url, count=4)
    assert (manifest.facts["drafts"], len(host.asked)) == (4, 3 + 2)
    assert manifest.facts["bad_answers"] == {"'testbench' does not end with the line asked for and $finish": 1}


@pytest.mark.parametrize(
    "line", ["{}", '{"index": "x", "outcome": "answer"}', '{"index": 0, "outcome": "asked", "usage": {}}', "no JSON"]
)
def test_a_row_that_is_none_is_one_line(tmp_path: Path, line: str) -> None:
    with chat_host() as host:
        drafting(tmp_path / "out", host.url, count=1)
        with (tmp_path / "out/raw.jsonl").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(StoreError, match=r"raw\.jsonl, row 3"):
            drafting(tmp_path / "out", host.url, count=2)


def test_what_our_own_reading_cannot_bear_is_kept_and_a_bad_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Draft:
        raise ZeroDivisionError

    monkeypatch.setattr(teacher_answer, "read_answer", fails)
    assert judge_answer("", "", "things", "easy", "sequential", "m") == "the answer cannot be read (ZeroDivisionError)"
    with chat_host() as host:
        manifest = drafting(tmp_path / "out", host.url, count=1)
    assert manifest.facts["dropped"] == 1
    assert all("Mismatches" in row["body"] for row in replies(tmp_path / "out"))


# ---- servers that cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("401 bad key", "refuses the key"),
        ("403", "refuses the key"),
        ("404", "no model 'm'"),
        ("402 pay first", "pay first"),
        ("302", "cannot be used"),
        ("429 insufficient_quota", "insufficient_quota"),
    ],
)
def test_a_server_that_refuses_us_ends_the_run_and_what_came_is_kept(tmp_path: Path, fault: str, told: str) -> None:
    out, count = tmp_path / "out", 12
    with chat_host(fault=lambda asked: fault if len(host.asked) > 6 else None) as host:
        with pytest.raises(ModelError, match=told) as caught:
            drafting(out, host.url, count=count, concurrency=2)
        assert "\n" not in str(caught.value)
        kept = len(rows(out, "drafts.jsonl"))
        assert 4 <= kept <= 6
        assert not (out / "manifest.json").exists()
        host.fault = lambda asked: None
        before = len(host.asked)
        assert drafting(out, host.url, count=count).facts["drafts"] == count
        assert len(host.asked) - before == count - kept
    assert len(set(topics_of(out))) == count


def test_answers_under_way_when_another_request_fails_for_good_are_kept(tmp_path: Path) -> None:
    index = numbers(3)
    with (
        chat_host(
            fault=lambda asked: "401" if index[asked.prompt] == 0 else None,
            delay=lambda asked: 0.1 if index[asked.prompt] == 0 else 0.6,
        ) as host,
        pytest.raises(ModelError, match="refuses the key"),
    ):
        drafting(tmp_path / "out", host.url, count=3, concurrency=3, timeout_s=10)
    assert len(rows(tmp_path / "out", "drafts.jsonl")) == 2


@pytest.mark.parametrize(
    ("fault", "told"), [("500", "HTTP 500"), ("hang", "timeout"), ("not json", "no chat completion")]
)
def test_a_dead_server_ends_the_run_and_drops_nothing(tmp_path: Path, fault: str, told: str) -> None:
    out = tmp_path / "out"
    with chat_host(fault=lambda asked: fault) as host:
        with pytest.raises(ModelError, match=f"no answers .{told}"):
            drafting(out, host.url, count=9, concurrency=3, retries=2, timeout_s=0.3)
        host.fault = lambda asked: None
        manifest = drafting(out, host.url, count=9, timeout_s=5)
    assert (manifest.facts["drafts"], manifest.facts["dropped"]) == (9, 0)


def test_nobody_there_is_one_line_soon(tmp_path: Path) -> None:
    for server, cause in [("http://127.0.0.1:1", "refused"), ("http://nobody.invalid", "cannot connect: .*[a-z]")]:
        out = tmp_path / cause[:3]
        with pytest.raises(ModelError, match=cause) as caught:
            drafting(out, server, count=20, concurrency=1)
        assert "--server" in str(caught.value)
        assert len(replies(out)) == 3  # though ten faults would be borne from a server that was there
    with chat_host(fault=lambda asked: "reset" if asked.nth < 5 else None) as host:
        assert drafting(tmp_path / "there", host.url, count=1).facts["drafts"] == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost", "not a server's address"),
        ("http://a..b", "not a server's address"),
        ("http://two words", "not a server's address"),
        ("http://" + "a" * 70 + ".org", "not a server's address"),
        ("http://user:hidden/x@host", "not a server's address"),
        ("http://host:99999", "not a server's address"),
        ("http://host/v1?key=hidden", "nothing after"),
        ("http://user:hidden@host/v1#hidden", "nothing after"),
        ("http://host/v1/chat/completions", "not of the API"),
    ],
)
def test_an_address_that_is_none_is_one_line_without_secrets(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        drafting(tmp_path / "out", url, count=2)
    assert "hidden" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_server_that_refuses_everything_is_at_fault_itself(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with chat_host(fault=lambda asked: "400 unknown parameter seed") as host:
        for count in (40, 2):  # more than it takes to see it at once, and fewer
            with pytest.raises(ModelError, match=r"refuses every request.*unknown parameter seed") as caught:
                drafting(out.with_name(str(count)), host.url, count=count, concurrency=1)
        assert len(host.asked) <= 3 * 8 + 3 * 2
        assert "request: in --config" in str(caught.value)
        host.fault = lambda asked: None
        assert drafting(out.with_name("40"), host.url, count=40).facts["drafts"] == 40


def test_a_server_that_knows_no_form_of_answers_is_asked_without(tmp_path: Path) -> None:
    known = {"json_schema": 0, "json_object": 1, None: 2}
    for least in (1, 2):

        def fault(asked: Asked, least: int = least) -> str | None:
            form = asked.request.get("response_format", {}).get("type")
            return "400 response_format" if known[form] < least else None

        with chat_host(
            fault=fault, answer=lambda asked: f"Sure:\n```json\n{json.dumps(small_draft(asked))}\n```"
        ) as host:
            manifest = drafting(tmp_path / str(least), host.url, count=12, concurrency=2)
        assert (manifest.facts["drafts"], manifest.facts["dropped"]) == (12, 0)
        # Learned once: only the first requests find it out.
        assert 12 + least <= len(host.asked) <= 12 + 2 * least


def test_the_key_goes_to_the_server_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-word-of-theirs")
    echo = "500 wrong key sk-secret-word-of-theirs"
    with chat_host(fault=lambda asked: echo if asked.nth == 0 else None) as host:
        drafting(tmp_path / "out", host.url.replace("//", "//user:hidden@"), count=2)
    assert {asked.headers["Authorization"] for asked in host.asked} == {"Bearer sk-secret-word-of-theirs"}
    for path in (tmp_path / "out").iterdir():
        assert "secret-word" not in path.read_text()
        assert "hidden" not in path.read_text()
    monkeypatch.setenv("OPENAI_API_KEY", "two\nlines")
    with pytest.raises(InputError, match="OPENAI_API_KEY is not a key"):
        ChatServer("http://localhost", timeout_s=1)


@pytest.mark.parametrize("key", ["test", "EMPTY"])
def test_a_placeholder_for_a_key_changes_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    answer = json.dumps({**GOOD, "problem": "EMPTY test"})
    with chat_host(
        answer=lambda asked: answer, fault=lambda asked: "500 EMPTY test" if asked.nth == 0 else None
    ) as host:
        drafting(tmp_path / "out", host.url, count=1, topics_file=_one_topic(tmp_path))
    first, second = replies(tmp_path / "out")
    assert "EMPTY test" in first["body"]
    assert json.loads(second["body"])["choices"][0]["message"]["content"] == answer
    assert kept(tmp_path / "out") == 1


def _one_topic(folder: Path) -> Path:
    path = folder / "topics.yaml"
    path.write_text("groups:\n  ours:\n    things: sequential easy\n")
    return path


# ---- money ---------------------------------------------------------------------------------------


def test_a_budget_ends_the_run_cleanly_and_a_greater_one_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings: dict[str, Any] = {"count": 20, "max_tokens": 500, "concurrency": 4}
    with chat_host() as host:
        first = drafting(out, host.url, **settings, budget_tokens=8_500)
        asked = len(host.asked)
        assert 4 <= asked <= 8
        assert first.facts["tokens"] == {"input": 900 * asked, "output": 100 * asked}
        assert (first.facts["drafts"], first.facts["unasked"]) == (asked, 20 - asked)
        assert first.facts["stopped_by"] == "budget"
        assert len(topics_of(out)) == asked
        again = drafting(out, host.url, **settings, budget_tokens=8_500)
        assert (again.facts["drafts"], len(host.asked)) == (asked, asked)
        with pytest.raises(StoreError, match=r"another config .temperature"):
            drafting(out, host.url, **settings, temperature=0.1, budget_tokens=50_000)
        assert read_manifest(out).facts["drafts"] == asked
        text = (out / "manifest.json").read_text()
        (out / "manifest.json").write_text(text.replace('"python": "3', '"python": "2'))
        with pytest.raises(StoreError, match=r"another version \(python\)"):
            drafting(out, host.url, **settings, budget_tokens=50_000)
        assert read_manifest(out).facts["drafts"] == asked  # still usable
        (out / "manifest.json").write_text(text)
        whole = drafting(out, host.url, **settings, budget_tokens=50_000)
        assert (whole.facts["drafts"], whole.facts["unasked"], whole.facts["stopped_by"]) == (20, 0, None)
        assert len(host.asked) == 20
        assert drafting(out, host.url, **settings, budget_tokens=1) == whole  # what is complete stays so
    plan = numbers(20)
    assert topics_of(out) == [Asked(prompt, {}, {}, 0, 0).topic for prompt in sorted(plan, key=plan.__getitem__)]


def test_a_budget_in_money_counts_both_prices(tmp_path: Path) -> None:
    prices = {"usd_per_million_input": 10.0, "usd_per_million_output": 100.0}
    with chat_host() as host:
        manifest = drafting(
            tmp_path / "out", host.url, count=30, max_tokens=100, concurrency=2, budget_usd=0.2, **prices
        )
    each = (900 * 10 + 100 * 100) / 1e6
    assert manifest.facts["usd"] == pytest.approx(each * len(host.asked))
    assert 5 <= len(host.asked) <= 0.2 / each


def test_what_a_server_does_not_count_is_counted_here(tmp_path: Path) -> None:
    index = numbers(3)
    with chat_host(
        usage=None, fault=lambda asked: "cut body" if index[asked.prompt] == 1 and asked.nth == 0 else None
    ) as host:
        manifest = drafting(tmp_path / "out", host.url, count=3, max_tokens=5000)
    tokens = manifest.facts["tokens"]
    assert tokens["input"] > 4 * len(host.asked[0].prompt) // 4
    # The one that broke off may have cost all that it was allowed to.
    assert 5000 + 3 * 300 < tokens["output"] < 5000 + 3 * 1000


@pytest.mark.parametrize(
    ("usage", "output"),
    [
        ({"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 5000}, 4100),  # 4,000 of reasoning
        ({"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}, 100),
        ({"prompt_tokens": 900, "completion_tokens": 100}, 100),
        ({"completion_tokens": 100, "total_tokens": 1000}, 100),
        ({"prompt_tokens": 900, "total_tokens": 1000}, None),
        ({"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": -5}, 100),
    ],
)
def test_reasoning_that_only_the_total_counts_is_output(usage: dict[str, int], output: int | None) -> None:
    choice = {"message": {"content": ""}, "finish_reason": "\ud800"}
    completion = read_completion(json.dumps({"choices": [choice], "usage": usage}))
    assert completion
    assert completion.output == output
    assert completion.finish_reason.encode()


def test_what_was_cut_off_counts_as_the_most_it_can_have_cost(tmp_path: Path) -> None:
    most, cost = {"input": 10, "output": 500}, {"input": 9, "output": 50}
    plan = make_plan(load_topics(), DraftSettings(model="m", server="s", count=3))
    journal = [
        {"index": 0, "outcome": "asked", "usage": most},
        {"index": 1, "outcome": "asked", "usage": most},
        {"index": 1, "outcome": "fault", "usage": cost, "reason": "HTTP 500"},
        {"index": 1, "outcome": "asked", "usage": most},  # cut off, and asked again
        {"index": 1, "outcome": "asked", "usage": most},
        {"index": 1, "outcome": "fault", "usage": cost, "reason": "HTTP 500"},
        {"index": 2, "outcome": "dropped", "reason": "no answer: HTTP 500"},
    ]
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in journal))
    read = read_journal(path, plan, "m", attempts=3)
    assert read.spent == Tokens(2 * 10 + 2 * 9, 2 * 500 + 2 * 50)
    assert (read.asked, read.settled) == (Counter({1: 3, 0: 1}), {2})


def test_what_is_under_way_counts_as_the_most_it_can_cost() -> None:
    budget, ended = Budget(tokens=100), threading.Event()
    budget.reserve(Tokens(10, 50), ended)
    waiting = threading.Thread(target=budget.reserve, args=(Tokens(10, 50), ended))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    budget.settle(Tokens(10, 50), Tokens(10, 5))
    waiting.join(5)
    assert not waiting.is_alive()
    budget.settle(Tokens(10, 50), Tokens(10, 50))
    with pytest.raises(BudgetReached):
        budget.reserve(Tokens(10, 50), ended)
    assert budget.spent == Tokens(20, 55)
    budget.reserve(Tokens(10, 10), ended)
    ended.set()
    with pytest.raises(Ended):
        budget.reserve(Tokens(10, 50), ended)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"budget_usd": 1.0}, "money needs both"),
        ({"usd_per_million_input": 1.0}, "money needs both"),
        ({"budget_tokens": 5, "request": {"max_tokens": None}}, "a budget needs max_tokens"),
        ({"request": {"messages": []}}, "'messages' is set by the stage"),
        ({"budgettokens": 5}, "did you mean 'budget_tokens'"),
        ({"levels": ("simple",)}, "levels"),
        ({"model": ""}, "model"),
        ({"request": {"seed": 4}}, "null leaves it out"),
        ({"request": {"top_p": float("nan")}}, "not finite"),
        *[({name: value}, name) for name in ("timeout_s", "backoff_s", "longest_wait_s") for value in (NAN, INF)],
        *[({"temperature": value}, "temperature") for value in (NAN, INF)],
    ],
)
def test_settings_that_do_not_agree_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_settings(DraftSettings, None, {"model": "m", "server": "s", **values})


def test_what_else_goes_into_a_request_wins(tmp_path: Path) -> None:
    more = {"max_tokens": None, "max_completion_tokens": 700, "temperature": None, "top_p": 0.5}
    more |= {"seed": None, "response_format": None}
    with chat_host() as host:
        drafting(tmp_path / "out", host.url, count=1, request=more, budget_tokens=9_000)
    request = host.asked[0].request
    assert (request["max_completion_tokens"], request["top_p"], request["model"]) == (700, 0.5, "m")
    assert not {"max_tokens", "temperature", "seed", "response_format"} & request.keys()


def test_what_a_server_does_not_know_can_be_left_out_in_the_same_folder(tmp_path: Path) -> None:
    with chat_host(fault=lambda asked: "422 seed: extra input" if "seed" in asked.request else None) as host:
        with pytest.raises(ModelError, match=r"seed: extra input.*request: in --config"):
            drafting(tmp_path / "out", host.url, count=10)
        assert drafting(tmp_path / "out", host.url, count=10, request={"seed": None}).facts["drafts"] == 10


# ---- the command ---------------------------------------------------------------------------------


def command(out: Path, url: str, tmp_path: Path, count: int, *more: str) -> list[str]:
    config = tmp_path / "drafts.yaml"
    config.write_text("backoff_s: 0.01\ntimeout_s: 5\n")
    options = ["--out", str(out), "--model", "m", "--server", url, "--count", str(count), "--config", str(config)]
    return [AUTOVCODER, "data", "drafts", *options, *more]


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_goes_on_and_asks_only_what_is_missing(tmp_path: Path, blow: signal.Signals) -> None:
    out = tmp_path / "out"
    with chat_host(delay=lambda asked: 0.1) as host:
        process = subprocess.Popen(
            command(out, host.url, tmp_path, 24, "--concurrency", "2"), stderr=subprocess.PIPE, text=True
        )
        while len(host.asked) < 9:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.01)
        process.send_signal(blow)
        _, told = process.communicate(timeout=10)
        assert process.returncode == (130 if blow == signal.SIGINT else -blow)
        assert "Traceback" not in told
        time.sleep(0.3)
        known, asked = len(replies(out)), len(rows(out, "raw.jsonl")) - len(replies(out))
        assert 5 <= known < 24
        if blow == signal.SIGINT:
            # What was under way had time to come.
            assert len(rows(out, "drafts.jsonl")) == known == asked
        else:
            with (out / "raw.jsonl").open("ab") as file:
                file.write(b'{"index": 23, "outcome": "dr')  # a torn row
        before = len(host.asked)
        host.delay = lambda asked: 0.0
        manifest = drafting(out, host.url, count=24)
        assert manifest.facts["drafts"] == 24
        assert len(host.asked) - before == 24 - known
        # Whatever was under way may have cost all that it could.
        assert manifest.facts["tokens"]["output"] == 24 * 100 + (asked - known) * 8192
        drafting(tmp_path / "whole", host.url, count=24)
    assert (out / "drafts.jsonl").read_bytes() == (tmp_path / "whole/drafts.jsonl").read_bytes()
    assert sorted(row["index"] for row in replies(out)) == list(range(24))


def test_bad_answers_before_a_kill_count(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with chat_host(fault=lambda asked: "wrong schema" if asked.nth < 2 else "401") as host:
        with pytest.raises(ModelError):
            drafting(out, host.url, count=1)
        host.fault = lambda asked: "wrong schema"
        manifest = drafting(out, host.url, count=1)
    assert (manifest.facts["dropped"], len(host.asked)) == (1, 4)
    assert [row["attempt"] for row in replies(out)] == [0, 1, 2, 3]
    seeds = [asked.request["seed"] for asked in host.asked]
    assert seeds[2] == seeds[3]
    assert len(set(seeds)) == 3


def test_the_command_says_what_it_did_and_what_is_left(tmp_path: Path) -> None:
    with chat_host() as host:
        prices = ["--usd-per-million-input", "1", "--usd-per-million-output", "2"]
        more = ["--levels", "easy, hard", "--budget-tokens", "30000", "--seed", "7", *prices]
        done = subprocess.run(
            command(tmp_path / "out", host.url, tmp_path, 40, *more), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert re.search(r"\d+ drafts, 0 dropped; \d+ answers, [\d,]+ tokens, 0\.\d\d USD\n", done.stderr)
        assert "dropped" not in done.stderr.split("\n", 1)[1]
        assert re.search(r"stopped at the budget: \d+ of 40 requests are not settled", done.stderr)
        assert {draft.level for draft in read_records(tmp_path / "out/drafts.jsonl", Draft)} <= {"easy", "hard"}
        assert done.stdout == ""
        index = numbers(6)
        host.fault = lambda asked: "wrong schema" if index[asked.prompt] < 2 else None
        done = subprocess.run(
            command(tmp_path / "worse", host.url, tmp_path, 6), capture_output=True, text=True, check=False
        )
        assert "\n  dropped 2: a key is missing\n" in done.stderr
        host.fault = lambda asked: "401"
        done = subprocess.run(
            command(tmp_path / "other", host.url, tmp_path, 4), capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the server refuses the key (HTTP 401)")
    assert done.stderr.count("\n") == 1


# ---- drafts that a real model wrote --------------------------------------------------------------


@pytest.mark.skipif(DATA is None, reason="AUTOVCODER_DATA is not set")
def test_recorded_drafts_come_through_every_fault(tmp_path: Path) -> None:
    with gzip.open(Path(DATA or "") / "autovcoder_drafts.jsonl.gz", "rt") as file:
        recorded = [_in_our_form(json.loads(line)) for line in file][::3]
    count = len(recorded)
    assert count > 250
    index = numbers(count)

    def fault(asked: Asked) -> str | None:
        kinds = ["429 after 0.01", "500", "cut json", "reset", "wrong schema", "cut body", "no choices", "429"]
        kinds += ["hang"] if index[asked.prompt] % 97 == 0 else []
        number = index[asked.prompt]
        return kinds[number % len(kinds)] if asked.nth < number % 3 else None

    with chat_host(fault=fault, answer=lambda asked: json.dumps(recorded[index[asked.prompt]])) as host:
        manifest = drafting(tmp_path / "out", host.url, count=count, concurrency=8, timeout_s=2)
    same = sum("same draft" in row["reason"] for row in rows(tmp_path / "out", "dropped.jsonl"))
    assert manifest.facts["drafts"] + same == count
    assert manifest.facts["dropped"] == same < 10
    assert len(host.asked) > 1.5 * count
    assert host.most_open <= 8
    served = {(draft["problem"].strip(), draft["code"].strip()) for draft in recorded}
    found = {(draft.problem, draft.code.strip()) for draft in read_records(tmp_path / "out/drafts.jsonl", Draft)}
    assert found == served


def _in_our_form(row: dict[str, Any]) -> dict[str, str]:
    """A recorded draft with our keys; its own testbench and model have another contract, which is added to them."""
    module = re.search(r"\bmodule\s+(\w+)", row["verilog_code"])
    assert module
    model = "def model(inputs):\n    return {}\n\n\nclass Model:\n    def step(self, inputs):\n        return {}\n"
    return {
        "problem": row["problem"].replace("\r", ""),
        "module": module[1],
        "code": row["verilog_code"].replace("\r", ""),
        "testbench": f"{row['verilog_testbench']}\n// Mismatches: $finish\n",
        "reference_model": f"{model}\n\n{row['python_code']}",
    }
