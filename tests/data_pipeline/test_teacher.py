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
from autovcoder.records import Draft, content_id
from autovcoder.store import Manifest, read_jsonl, read_manifest, read_records
from data_pipeline.budget import Budget, BudgetReached, Ended, Tokens
from data_pipeline.chat_client import ChatServer
from data_pipeline.taxonomy import load_topics
from data_pipeline.teacher import DraftSettings, make_drafts, make_plan
from data_pipeline.teacher_answer import MAX_ANSWER, BadAnswer, read_answer
from data_pipeline.teacher_prompt import FIELDS, teacher_prompt
from hdl_sim.icarus import Icarus

from .chat_server import Asked, chat_host, small_draft

AUTOVCODER = str(Path(sys.executable).with_name("autovcoder"))
DATA = os.environ.get("AUTOVCODER_DATA")
QUICK: dict[str, Any] = {"backoff_s": 0.01, "longest_wait_s": 3.0, "timeout_s": 8.0, "model": "m"}
COST = 1000
"""Tokens that the server counts for an answer."""


def drafting(out: Path, url: str, **settings: Any) -> Manifest:
    return make_drafts(out, DraftSettings(**{**QUICK, "server": url, **settings}))


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
]


def test_no_draft_is_lost_to_any_fault_and_the_order_of_arrival_leaves_no_trace(tmp_path: Path) -> None:
    index = numbers(40)

    def fault(asked: Asked) -> str | None:
        """Each of the first requests meets its fault once, and every third of them another one after that."""
        kinds = FAULTS[index[asked.prompt] : index[asked.prompt] + 1] if index[asked.prompt] < len(FAULTS) else []
        kinds = [*kinds, "500"] if index[asked.prompt] % 3 == 0 else kinds
        return kinds[asked.nth] if asked.nth < len(kinds) else None

    with chat_host(fault=fault, delay=lambda asked: 0.03) as host:
        manifest = drafting(tmp_path / "faults", host.url, count=40, concurrency=5, timeout_s=2)
    assert manifest.facts["drafts"] == 40
    assert manifest.facts["dropped"] == manifest.facts["unasked"] == 0
    assert rows(tmp_path / "faults", "dropped.jsonl") == []
    raw = rows(tmp_path / "faults", "raw.jsonl")
    assert len(raw) == len(host.asked) == manifest.facts["asked"]
    assert manifest.facts["asked_again"] == len(raw) - 40
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
    busy, wrong, good = rows(tmp_path / "out", "raw.jsonl")
    assert (busy["index"], busy["status"], busy["outcome"], busy["reason"]) == (0, 429, "fault", "HTTP 429")
    assert json.loads(busy["body"]) == {"error": {"message": "slow down"}}
    assert busy["usage"] == {"input": 0, "output": 0, "counted_by_server": False}
    assert (wrong["outcome"], wrong["reason"], wrong["finish_reason"]) == ("bad answer", "a key is missing", "stop")
    assert (good["outcome"], good["attempt"], good["form"]) == ("draft", 2, "json_schema")
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


def test_waits_grow_until_a_bound(tmp_path: Path) -> None:
    with chat_host(fault=lambda asked: "500" if asked.nth < 5 else None) as host:
        drafting(tmp_path / "out", host.url, count=1, backoff_s=0.08, longest_wait_s=0.4)
    times = [asked.at for asked in host.asked]
    waits = [b - a for a, b in itertools.pairwise(times)]
    for wait, least in zip(waits, (0.04, 0.08, 0.16, 0.32, 0.4), strict=True):
        assert least <= wait < least * 2 + 2


def test_a_slow_answer_stops_nobody_else(tmp_path: Path) -> None:
    index = numbers(30)
    with chat_host(delay=lambda asked: 1.5 if index[asked.prompt] == 0 else 0.0) as host:
        drafting(tmp_path / "out", host.url, count=30, concurrency=3, timeout_s=10)
    raw = rows(tmp_path / "out", "raw.jsonl")
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
    assert (asked[2], asked[5], asked[7], asked[9], asked[0]) == (3, 3, 3, 1, 1)
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
            tmp_path / "out", host.url, count=80, concurrency=2, retries=2, backoff_s=0.4, longest_wait_s=0.4
        )
    assert manifest.facts["drafts"] == 80
    assert host.times()[first] > 3


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


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot connect"):
        drafting(tmp_path / "out", "http://127.0.0.1:1", count=2, retries=2)
    with pytest.raises(ModelError, match="not a server's address"):
        drafting(tmp_path / "other", "localhost", count=2)
    assert not (tmp_path / "other").exists()


def test_a_server_that_refuses_everything_is_at_fault_itself(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with chat_host(fault=lambda asked: "400 unknown parameter seed") as host:
        for count in (40, 2):  # more than it takes to see it at once, and fewer
            with pytest.raises(ModelError, match=r"refuses every request.*unknown parameter seed"):
                drafting(out.with_name(str(count)), host.url, count=count, concurrency=1)
        assert len(host.asked) <= 3 * 8 + 3 * 2
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
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-word")
    echo = "500 wrong key sk-secret-word"
    with chat_host(fault=lambda asked: echo if asked.nth == 0 else None) as host:
        drafting(tmp_path / "out", host.url.replace("//", "//user:hidden@"), count=2)
    assert {asked.headers["Authorization"] for asked in host.asked} == {"Bearer sk-secret-word"}
    for path in (tmp_path / "out").iterdir():
        assert "secret-word" not in path.read_text()
        assert "hidden" not in path.read_text()
    monkeypatch.setenv("OPENAI_API_KEY", "two\nlines")
    with pytest.raises(InputError, match="OPENAI_API_KEY is not a key"):
        ChatServer("http://localhost", timeout_s=1)


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
        with pytest.raises(StoreError, match="another"):
            drafting(out, host.url, **{**settings, "count": 21}, budget_tokens=50_000)
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
    ],
)
def test_settings_that_do_not_agree_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_settings(DraftSettings, None, {"model": "m", "server": "s", **values})


def test_what_else_goes_into_a_request_wins(tmp_path: Path) -> None:
    more = {"max_tokens": None, "max_completion_tokens": 700, "temperature": None, "top_p": 0.5}
    with chat_host() as host:
        drafting(tmp_path / "out", host.url, count=1, request=more, budget_tokens=9_000)
    request = host.asked[0].request
    assert (request["max_completion_tokens"], request["top_p"], request["model"]) == (700, 0.5, "m")
    assert not {"max_tokens", "temperature"} & request.keys()


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
        known = len((out / "raw.jsonl").read_bytes().split(b"\n")) - 1
        assert 5 <= known < 24
        if blow == signal.SIGINT:
            assert len(rows(out, "drafts.jsonl")) == known
        else:
            with (out / "raw.jsonl").open("ab") as file:
                file.write(b'{"index": 23, "outcome": "dr')  # a torn row
        before = len(host.asked)
        host.delay = lambda asked: 0.0
        assert drafting(out, host.url, count=24).facts["drafts"] == 24
        assert len(host.asked) - before == 24 - known
        drafting(tmp_path / "whole", host.url, count=24)
    assert (out / "drafts.jsonl").read_bytes() == (tmp_path / "whole/drafts.jsonl").read_bytes()
    assert [row["index"] for row in sorted(rows(out, "raw.jsonl"), key=lambda row: row["index"])] == list(range(24))


def test_bad_answers_before_a_kill_count(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with chat_host(fault=lambda asked: "wrong schema" if asked.nth < 2 else "401") as host:
        with pytest.raises(ModelError):
            drafting(out, host.url, count=1)
        host.fault = lambda asked: "wrong schema"
        manifest = drafting(out, host.url, count=1)
    assert (manifest.facts["dropped"], len(host.asked)) == (1, 4)
    assert [row["attempt"] for row in rows(out, "raw.jsonl")] == [0, 1, 2, 3]
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
        assert re.search(r"stopped at the budget: \d+ of 40 requests are not settled", done.stderr)
        assert {draft.level for draft in read_records(tmp_path / "out/drafts.jsonl", Draft)} <= {"easy", "hard"}
        assert done.stdout == ""
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
