"""Repositories found by GitHub's search, all of them: it shows no more than 1,000 for a question, so time is cut up.

Reads ``/search/repositories`` of the API, with the token from GITHUB_TOKEN where there is one; writes nothing.
https://docs.github.com/en/rest/search/search, .../using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from autovcoder.errors import InputError
from autovcoder.records import Record

if TYPE_CHECKING:
    import httpx

API = "https://api.github.com"
PER_PAGE = 100
MOST_RESULTS = 1000
_TRIES = 6
_FIRST_WAIT_S = 1.0
_INCOMPLETE_WAITS_S = (1.0, 3.0)
# Without a word from GitHub about how long: what its documentation asks for.
_UNTOLD_WAIT_S = 60.0
# Limits are renewed within the hour.
_LONGEST_WAIT_S = 3700.0
_LIMIT_TRIES = 20
# A page of a hundred results is less than one MB. An answer that drips is given up, as one that does not come.
_MOST_BYTES = 8 * 1024 * 1024
_ANSWER_S = 60.0
_FULL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")


class Found(Record):
    """A repository as the search describes it; ``license`` is an SPDX identifier."""

    name: str
    url: str
    stars: int
    created: str
    license: str | None


class Window(Record):
    """All that GitHub shows for one question, and in ``incomplete`` why that is not all it has, if so."""

    question: str
    found: tuple[Found, ...]
    incomplete: str | None


@dataclass(frozen=True)
class Query:
    """What to search for.

    Attributes:
        languages: as GitHub names them. ``first``, ``last``: day of creation, both included.
        most: take the ones with the most stars and no more; all where None.
    """

    languages: tuple[str, ...]
    first: date
    last: date
    min_stars: int = 0
    most: int | None = None


@dataclass(frozen=True)
class Search:
    """What was found, most stars first, and for which questions GitHub did not show all it has."""

    found: list[Found]
    incomplete: dict[str, str]


@dataclass(frozen=True)
class Tell:
    """How a long work speaks: ``note`` says what should stay to be read, ``status`` what the next replaces."""

    note: Callable[[str], None] = lambda _: None
    status: Callable[[str], None] = lambda _: None


def search(
    query: Query,
    *,
    api: str = API,
    tell: Tell | None = None,
    known: Iterable[Window] = (),
    keep: Callable[[Window], None] = lambda _: None,
) -> Search:
    """All repositories that the query matches, forks aside, as GitHub's search does.

    Args:
        known: windows of an earlier search, not asked for again; ``keep`` gets each new one when it is whole.

    Raises:
        InputError: the API cannot be reached, refuses the token or the query, or answers something else.
    """
    with _client(api) as client:
        return _Searcher(client, api, tell or Tell(), known, keep).run(query)


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Searcher:
    def __init__(
        self, client: httpx.Client, api: str, tell: Tell, known: Iterable[Window], keep: Callable[[Window], None]
    ) -> None:
        self._client, self._api, self._tell, self._keep = client, api.rstrip("/"), tell, keep
        self._known = {window.question: window for window in known}
        self._found: dict[str, Found] = {}
        self._incomplete: dict[str, str] = {}

    def run(self, query: Query) -> Search:
        for language in query.languages:
            # The first thousand by stars hold all that is wanted; only then is one question enough.
            enough = query.most if query.most is not None and query.most <= MOST_RESULTS else None
            self._window(query, language, query.first, query.last, enough)
        found = sorted(self._found.values(), key=lambda one: (-one.stars, one.name.lower()))
        return Search(found[: query.most], self._incomplete)

    def _window(self, query: Query, language: str, first: date, last: date, enough: int | None) -> None:
        """Take what was created in a window; halve it while it has more results than GitHub shows."""
        words = f'language:"{language}" created:{first}..{last} stars:>={query.min_stars}'
        window = self._known.get(words)
        if window is None:
            page = self._page(words, 1)
            if page["total_count"] > MOST_RESULTS and enough is None and first < last:
                middle = first + (last - first) // 2
                self._window(query, language, first, middle, None)
                self._window(query, language, middle + timedelta(days=1), last, None)
                return
            window = self._all_pages(words, page, enough)
            self._keep(window)
        for found in window.found:
            self._found.setdefault(found.name.lower(), found)
        if window.incomplete:
            self._incomplete[words] = window.incomplete
            self._tell.note(f"incomplete results: {words}: {window.incomplete}")

    def _all_pages(self, words: str, page: dict[str, Any], enough: int | None) -> Window:
        """A question's results, of which the first page is there, or the first ``enough`` of them."""
        total, found, incomplete = page["total_count"], list[Found](), None
        if total > MOST_RESULTS and enough is None:
            incomplete = f"{MOST_RESULTS:,} of {total:,} shown"
        wanted = min(total, MOST_RESULTS if enough is None else enough)
        pages = max(1, -(-wanted // PER_PAGE))
        for number in range(1, pages + 1):
            if number > 1:
                page = self._page(words, number)
            if page["incomplete_results"]:
                incomplete = "the search ran out of time"
            found += [one for item in page["items"] if (one := _read(item)) is not None]
            self._tell.status(f"{len(self._found) + len(found):,} repositories found; {words}")
            if not page["items"]:
                break
        return Window(question=words, found=tuple(found), incomplete=incomplete)

    def _page(self, words: str, number: int) -> dict[str, Any]:
        """One page; asked again a few times while GitHub says that it did not look everywhere."""
        parameters = {"q": words, "sort": "stars", "order": "desc", "per_page": str(PER_PAGE), "page": str(number)}
        for seconds in (*_INCOMPLETE_WAITS_S, None):
            page = self._get("/search/repositories", parameters)
            if seconds is None or not page["incomplete_results"]:
                break
            self._wait(seconds, "the search is incomplete")
        return page

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        import httpx

        failures = limited = 0
        while True:
            try:
                answer = self._answer(path, parameters)
                problem = f"the server answers {answer.status}" if answer.status >= 500 else ""
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if problem:
                failures += 1
                if failures == _TRIES:
                    raise InputError("cannot reach GitHub's search", where=self._api, fix=problem)
                self._wait(_FIRST_WAIT_S * 2 ** (failures - 1), problem)
                continue
            wait = _asked_to_wait(answer)
            if wait is None:
                return self._checked(answer)
            limited += 1
            if limited == _LIMIT_TRIES:
                raise InputError("GitHub's search limits every request", where=self._api, fix="try again later")
            self._wait(wait, "GitHub's rate limit")

    def _answer(self, path: str, parameters: dict[str, str]) -> _Answer:
        """One answer, as it came: it was asked for without compression, under which a little may become a lot."""
        import httpx

        end, body = time.monotonic() + _ANSWER_S, bytearray()
        with self._client.stream("GET", self._api + path, params=parameters) as answer:
            for part in answer.iter_raw():
                body += part
                if len(body) > _MOST_BYTES:
                    fix = f"correct --api; it sent more than {_MOST_BYTES:,} bytes"
                    raise InputError("the answer is not one of GitHub's search", where=self._api, fix=fix)
                if time.monotonic() > end:
                    raise httpx.ReadTimeout(f"the answer takes longer than {_ANSWER_S:g} s")
        return _Answer(answer.status_code, answer.headers, bytes(body))

    def _checked(self, answer: _Answer) -> dict[str, Any]:
        code = answer.status
        if code == 401:
            raise InputError("GitHub refuses the token", where=self._api, fix="correct GITHUB_TOKEN or unset it")
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = None
        if code != 200:
            told = str(body.get("message", "")) if isinstance(body, dict) else ""
            raise InputError(f"GitHub's search refuses the request ({code})", where=self._api, fix=told[:300])
        good = isinstance(body, dict) and isinstance(body.get("items"), list)
        if not good or type(body.get("total_count")) is not int:
            raise InputError("the answer is not one of GitHub's search", where=self._api, fix="correct --api")
        return {**body, "incomplete_results": body.get("incomplete_results") is True}

    def _wait(self, seconds: float, why: str) -> None:
        """Wait, and say each second how long it still takes; a long wait is also noted."""
        end = time.monotonic() + seconds
        if seconds >= 5:
            self._tell.note(f"{why}: waiting {seconds:.0f} s")
        while (left := end - time.monotonic()) > 0:
            self._tell.status(f"{why}: {left:.0f} s")
            time.sleep(min(1.0, left))


def _client(api: str) -> httpx.Client:
    import httpx

    from autovcoder import __version__

    try:
        parts = urlsplit(api)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good:
        raise InputError("not an API's address", where=api.rpartition("@")[2], fix=f"write it as {API}")
    headers = {"Accept": "application/vnd.github+json", "Accept-Encoding": "identity"}
    headers["User-Agent"] = f"autovcoder/{__version__}"
    token = os.environ.get("GITHUB_TOKEN", "").strip()
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise InputError("GITHUB_TOKEN is not a token", fix="correct it or unset it")
    # In the clear it goes to this machine only, and not by way of a proxy, which would read it.
    if token and (parts.scheme == "https" or parts.hostname in ("127.0.0.1", "localhost", "::1")):
        headers["Authorization"] = f"Bearer {token}"
    # The token goes to the address given and nowhere else: no redirect is followed, no link of an answer.
    return httpx.Client(headers=headers, timeout=30.0, follow_redirects=False, trust_env=parts.scheme == "https")


def _asked_to_wait(answer: _Answer) -> float | None:
    """Seconds that a rate limit asks to wait; None where the answer is not about one."""
    if answer.status not in (403, 429):
        return None
    headers = answer.headers
    told: float | None = None
    if re.fullmatch(r"\d{1,9}", headers.get("retry-after", "")):
        told = float(headers["retry-after"])
    elif headers.get("x-ratelimit-remaining") == "0" and re.fullmatch(
        r"\d{1,12}", headers.get("x-ratelimit-reset", "")
    ):
        # By the server's clock, and one second more: it counts whole ones.
        told = float(headers["x-ratelimit-reset"]) - _server_time(headers.get("date", "")) + 1
    elif answer.status == 429 or b"rate limit" in answer.body.lower():
        told = _UNTOLD_WAIT_S
    return None if told is None else min(max(told, 0.0), _LONGEST_WAIT_S)


def _server_time(told: str) -> float:
    try:
        return parsedate_to_datetime(told).timestamp()
    except (ValueError, OverflowError):
        return datetime.now(UTC).timestamp()


def _read(item: Any) -> Found | None:
    """One result; None where it is not what GitHub describes: names end up in files, addresses at git."""
    if not isinstance(item, dict):
        return None
    name, url, stars, created = (item.get(key) for key in ("full_name", "clone_url", "stargazers_count", "created_at"))
    if not isinstance(name, str) or not _FULL_NAME.fullmatch(name):
        return None
    if not isinstance(url, str) or not re.fullmatch(r"https?://[!-~]+", url):
        return None
    told = item.get("license")
    spdx = told.get("spdx_id") if isinstance(told, dict) else None
    known = isinstance(spdx, str) and spdx not in ("", "NOASSERTION")
    return Found(
        name=name,
        url=url,
        stars=stars if isinstance(stars, int) else 0,
        created=created if isinstance(created, str) else "",
        license=spdx if known else None,
    )
