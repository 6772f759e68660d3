"""The search: everything that matches is found, limits are waited out, and the token goes nowhere else. Real HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from autovcoder.errors import InputError
from data_pipeline import github
from data_pipeline.github import Found, Query, Tell, Window, search

from .hosts import GithubHost, github_host, item

YEARS = (date(2015, 1, 1), date(2024, 12, 31))
TOKEN = "ghp_0123456789abcdefABCDEF"  # noqa: S105 - nobody's


def days(count: int) -> str:
    return (YEARS[0] + timedelta(days=count)).isoformat()


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)


@pytest.fixture
def host() -> Iterator[GithubHost]:
    with github_host([item(number) for number in range(3)]) as host:
        yield host


def names(found: list[Found]) -> set[str]:
    return {one.name for one in found}


def pages(host: GithubHost) -> list[str]:
    return [asked.parameters["page"] for asked in host.asked]


def test_all_pages_are_read_and_the_most_starred_come_first(host: GithubHost) -> None:
    host.items = [item(number) for number in range(250)] + [item(900, language="C")]
    result = search(Query(("Verilog",), *YEARS), api=host.url)
    assert [one.stars for one in result.found] == list(range(249, -1, -1))
    assert pages(host) == ["1", "2", "3"]
    assert result.incomplete == {}
    assert result.found[0] == Found(
        name="owner4/core249",
        url="https://example.org/owner4/core249.git",
        stars=249,
        created="2020-01-01T01:02:03Z",
        license="MIT",
    )


def test_a_window_with_more_than_a_thousand_results_is_halved_until_all_are_shown(host: GithubHost) -> None:
    # Dense at one end, so that some halves must be halved again; a page beyond the thousandth result is an error there.
    host.items = [item(number, created=days(number * number // 700)) for number in range(1500)]
    host.items += [item(5000 + number, created=days(3)) for number in range(990)]
    result = search(Query(("Verilog",), *YEARS), api=host.url)
    assert names(result.found) == {one["full_name"] for one in host.items}
    assert {asked.answered for asked in host.asked} == {200}
    assert result.incomplete == {}


def test_a_day_with_more_than_a_thousand_results_is_reported(host: GithubHost) -> None:
    host.items = [item(number, created=days(9)) for number in range(1003)]
    notes: list[str] = []
    result = search(Query(("Verilog",), *YEARS), api=host.url, tell=Tell(note=notes.append))
    assert len(result.found) == 1000
    (question,) = result.incomplete
    assert f"created:{days(9)}..{days(9)}" in question
    assert result.incomplete[question] == "1,000 of 1,003 shown"
    assert len(notes) == 1
    assert "1,000 of 1,003 shown" in notes[0]


def test_the_most_starred_of_several_languages_cost_one_question_each(host: GithubHost) -> None:
    host.items = [item(number, created=days(number)) for number in range(1200)]
    host.items += [item(2000 + number, language="SystemVerilog") for number in range(20)]
    result = search(Query(("Verilog", "SystemVerilog"), *YEARS, most=120), api=host.url)
    assert [one.stars for one in result.found] == [*range(2019, 1999, -1), *range(1199, 1099, -1)]
    assert len(host.asked) == 3


def test_stars_and_days_are_asked_for(host: GithubHost) -> None:
    host.items = [item(number, created=days(number)) for number in range(20)]
    query = Query(("Verilog",), YEARS[0], YEARS[0] + timedelta(days=9), min_stars=4)
    assert {one.stars for one in search(query, api=host.url).found} == set(range(4, 10))


def limited(kind: str) -> tuple[int, dict[str, str], str]:
    if kind == "reset":
        return 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1)}, "{}"
    return 429, {"Retry-After": "1"}, '{"message": "You have exceeded a secondary rate limit"}'


@pytest.mark.parametrize("kind", ["reset", "retry-after"])
def test_a_rate_limit_is_waited_out_with_a_countdown(host: GithubHost, kind: str) -> None:
    host.first = [limited(kind)]
    shown: list[str] = []
    assert len(search(Query(("Verilog",), *YEARS), api=host.url, tell=Tell(status=shown.append)).found) == 3
    assert host.asked[1].at - host.asked[0].at >= 0.95
    assert [line for line in shown if line.startswith("GitHub's rate limit: ")]


def test_a_limit_without_a_time_waits_as_documented(host: GithubHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "_UNTOLD_WAIT_S", 0.3)
    host.first = [(403, {}, '{"message": "You have exceeded a secondary rate limit."}'), (429, {}, "{}")]
    assert len(search(Query(("Verilog",), *YEARS), api=host.url).found) == 3
    assert host.asked[2].at - host.asked[0].at >= 0.6


@pytest.mark.parametrize("told", ["Fri, 31 Dec 99999999999999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "x"])
def test_a_server_with_an_odd_clock_is_waited_for_by_our_own(host: GithubHost, told: str) -> None:
    status, headers, body = limited("reset")
    host.first = [(status, {**headers, "Date": told}, body)]
    assert len(search(Query(("Verilog",), *YEARS), api=host.url).found) == 3


def test_an_answer_that_drips_is_given_up(host: GithubHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(github, "_ANSWER_S", 0.1)
    host.first = [(200, {"Content-Length": "1000000"}, "{")] * 6
    host.dripping = True
    with pytest.raises(InputError, match=r"cannot reach GitHub's search: .*; the answer takes longer than 0\.1 s"):
        search(Query(("Verilog",), *YEARS), api=host.url)


def test_windows_that_are_known_are_not_asked_for_again(host: GithubHost) -> None:
    host.items = [item(number, created=days(number)) for number in range(1500)]
    kept: list[Window] = []
    whole = search(Query(("Verilog",), *YEARS), api=host.url, keep=kept.append)
    asked = len(host.asked)
    assert len(kept) > 2
    rest: list[Window] = []
    assert search(Query(("Verilog",), *YEARS), api=host.url, known=kept[:2], keep=rest.append) == whole
    assert rest == kept[2:]
    assert len(host.asked) - asked < asked


@pytest.mark.parametrize("trouble", [500, 502, 503, 0])
def test_a_server_in_trouble_is_asked_again(host: GithubHost, monkeypatch: pytest.MonkeyPatch, trouble: int) -> None:
    monkeypatch.setattr(github, "_FIRST_WAIT_S", 0.02)
    host.first = [(trouble, {}, "<html>")] * 3
    assert len(search(Query(("Verilog",), *YEARS), api=host.url).found) == 3
    waits = [later.at - sooner.at for sooner, later in zip(host.asked, host.asked[1:], strict=False)]
    assert [wait >= least for wait, least in zip(waits, (0.02, 0.04, 0.08), strict=True)] == [True] * 3


@pytest.mark.parametrize("trouble", [500, 0])
def test_but_not_for_ever(host: GithubHost, monkeypatch: pytest.MonkeyPatch, trouble: int) -> None:
    monkeypatch.setattr(github, "_FIRST_WAIT_S", 0.001)
    host.first = [(trouble, {}, "")] * 100
    with pytest.raises(InputError, match=r"cannot reach GitHub's search: http://127\.0\.0\.1"):
        search(Query(("Verilog",), *YEARS), api=host.url)
    assert len(host.asked) == 6


def test_incomplete_results_are_asked_for_again_and_then_reported(
    host: GithubHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github, "_INCOMPLETE_WAITS_S", (0.01, 0.01))
    host.incomplete = 2
    assert search(Query(("Verilog",), *YEARS), api=host.url).incomplete == {}
    host.incomplete = 3
    result = search(Query(("Verilog",), *YEARS), api=host.url)
    assert list(result.incomplete.values()) == ["the search ran out of time"]
    assert len(result.found) == 3


def test_the_token_goes_to_the_api_and_to_no_other_host(host: GithubHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", f" {TOKEN}\n")
    notes: list[str] = []
    search(Query(("Verilog",), *YEARS), api=host.url, tell=Tell(notes.append, notes.append))
    assert host.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in host.asked[0].path + "".join(notes)
    with github_host([]) as other:
        host.first = [(302, {"Location": f"{other.url}/search/repositories"}, "")]
        with pytest.raises(InputError, match="refuses the request") as caught:
            search(Query(("Verilog",), *YEARS), api=host.url)
        assert TOKEN not in str(caught.value)
        assert other.asked == []


def test_the_token_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    for api, sent in (("http://example.org", False), ("https://example.org", True), ("http://127.0.0.1:1", True)):
        with github._client(api) as client:
            assert ("Authorization" in client.headers) is sent


def test_the_token_is_not_sent_to_a_proxy_in_the_clear(host: GithubHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with github_host([]) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert len(search(Query(("Verilog",), *YEARS), api=host.url).found) == 3
        assert proxy.asked == []


def test_what_is_no_token_is_named_without_being_shown(host: GithubHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", f"{TOKEN}\nX-Other: yes")
    with pytest.raises(InputError, match="GITHUB_TOKEN is not a token") as caught:
        search(Query(("Verilog",), *YEARS), api=host.url)
    assert TOKEN not in str(caught.value)
    assert host.asked == []


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, '{"message": "Bad credentials"}', "GitHub refuses the token"),
        (422, '{"message": "Validation Failed"}', r"refuses the request \(422\): .*; Validation Failed"),
        (403, '{"message": "Forbidden"}', r"refuses the request \(403\)"),
        (404, "<html>", r"refuses the request \(404\)"),
        (200, "<html>", "not one of GitHub's search"),
        (200, "[]", "not one of GitHub's search"),
        pytest.param(200, "[" * 200_000, "not one of GitHub's search", id="deep"),
        pytest.param(200, " " * 9_000_000, "it sent more than 8,388,608 bytes", id="long"),
        (200, '{"total_count": "many", "items": []}', "not one of GitHub's search"),
        (200, '{"total_count": 3, "items": {}}', "not one of GitHub's search"),
    ],
)
def test_other_answers_are_one_clear_line(host: GithubHost, status: int, body: str, message: str) -> None:
    host.first = [(status, {}, body)] * 2
    with pytest.raises(InputError, match=message):
        search(Query(("Verilog",), *YEARS), api=host.url)


@pytest.mark.parametrize(
    "api", ["api.github.com", "ftp://example.org", "", "http://[", "https://me:secret@example.org"]
)
def test_an_address_that_is_none_is_refused(api: str) -> None:
    with pytest.raises(InputError, match="not an API's address") as caught:
        search(Query(("Verilog",), *YEARS), api=api)
    assert "secret" not in str(caught.value)


def test_results_that_are_not_as_described_are_passed_over(host: GithubHost) -> None:
    odd: list[dict[str, Any]] = [
        {"full_name": "../../etc"},
        {"full_name": "a/b/c"},
        {"full_name": "-/x\n"},
        {"full_name": 7},
        {"clone_url": "--upload-pack=touch x"},
        {"clone_url": "ext::touch x"},
        {"clone_url": "file:///etc"},
        {"clone_url": None},
    ]
    page = [item(number, **more) for number, more in enumerate(odd)]
    strange = item(99, license=None, stargazers_count="many", created_at=None)
    body = {"total_count": 10, "incomplete_results": False, "items": [*page, None, "x", strange]}
    host.first = [(200, {}, json.dumps(body))]
    (found,) = search(Query(("Verilog",), *YEARS), api=host.url).found
    assert found == Found(name="owner1/core99", url=strange["clone_url"], stars=0, created="", license=None)


def test_a_licence_that_github_does_not_know_is_none(host: GithubHost) -> None:
    host.items = [item(1, license={"spdx_id": "NOASSERTION"}), item(2, license={"spdx_id": "Apache-2.0"})]
    found = search(Query(("Verilog",), *YEARS), api=host.url).found
    assert [one.license for one in found] == ["Apache-2.0", None]
