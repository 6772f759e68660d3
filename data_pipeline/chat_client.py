"""One request to an OpenAI-compatible server, and all that can become of it, as a value.

Reads the key from OPENAI_API_KEY (a local server needs none); writes nothing. httpx rather than the openai package: an
answer is kept as it came, read no further than a bound and no longer than a deadline, and asked for again by rules of
ours alone.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from autovcoder.config import Settings
from autovcoder.errors import InputError, ModelError
from autovcoder.models.endpoint import EndpointModel

CONNECT_S = 10.0
CANNOT_CONNECT = "cannot connect"
"""How the fault of a request begins that reached no server; the cause follows."""
MAX_BYTES = 8 * 1024 * 1024
"""Of an answer's body. The longest draft that is read is a fraction of it."""
_MAX_TOKENS = 10**9
# Whoever sets a shorter key sets a placeholder, such as `test`, which may be a word of any text.
_SECRET = 16
_LONGEST_S = 86_400.0


_Seconds = Annotated[float, Field(gt=0, le=_LONGEST_S, allow_inf_nan=False)]


class Patience(Settings):
    """How often and how long a server is asked.

    Attributes:
        attempts: how many answers that are no draft are taken before a request is given up.
        retries: how many faults in a row a request takes before it is set aside; the n-th wait is about ``backoff_s``
            times 2**(n - 1), and what the server asks for where that is more, but never beyond ``longest_wait_s``.
        timeout_s: for the beginning of an answer, and for each part of it.
    """

    attempts: Annotated[int, Field(ge=1)] = 3
    retries: Annotated[int, Field(ge=1)] = 10
    backoff_s: _Seconds = 1.0
    longest_wait_s: _Seconds = 300.0
    timeout_s: _Seconds = 600.0

    def wait_s(self, faults: int, asked_for: float | None, chance: float) -> float:
        """Seconds to wait after so many faults in a row; ``chance`` is from 0 to 1.

        Without chance all those that a server turned away would come back together.
        """
        seconds = self.backoff_s * 2.0 ** min(faults - 1, 60) * (0.5 + chance / 2)
        return min(max(seconds, asked_for or 0.0), self.longest_wait_s)


@dataclass(frozen=True)
class Reply:
    """What came of a request.

    Attributes:
        status: the HTTP status; None where none came.
        body: as it came, as far as it came.
        fault: why there is no whole answer, in a few words; empty where there is one.
        may_cost: the server may have worked on it, whether or not an answer came.
        retry_after: how many seconds the server asks to wait.
        seconds: from asking to here.
    """

    status: int | None
    body: str
    fault: str
    may_cost: bool
    retry_after: float | None
    seconds: float


@dataclass(frozen=True)
class Completion:
    """What a chat completion says; ``input`` and ``output`` are tokens, None where the server does not count."""

    content: str
    finish_reason: str
    input: int | None
    output: int | None


class ChatServer:
    """The chat completions of one server; safe to use from several threads.

    Args:
        url: the server, such as ``http://localhost:8000``; ``/v1`` is added when it has no path.
        timeout_s: for the wait for the beginning of an answer and for each part of it; after that time no other part
            is waited for, so that a whole answer takes at most twice as long.

    Raises:
        ModelError: the address is not one. InputError: OPENAI_API_KEY cannot be a key.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        import httpx

        address = _address(url)
        parts = urlsplit(address)
        self.name = address.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else address
        """The address without a password in it."""
        self._key = os.environ.get("OPENAI_API_KEY", "").strip()
        if self._key and not (self._key.isascii() and self._key.isprintable() and " " not in self._key):
            raise InputError("OPENAI_API_KEY is not a key", fix="correct it or unset it")
        headers = {"Accept-Encoding": "identity", "Authorization": f"Bearer {self._key or 'none'}"}
        # A name and password in the address would take the place of the key.
        self._url, self._timeout_s = f"{self.name if self._key else address}/chat/completions", timeout_s
        # As many connections as there are threads: what bounds those bounds these. No redirect takes the key elsewhere.
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=parts.scheme == "https",
        )

    def close(self) -> None:
        """Break off what is under way."""
        self._client.close()

    def ask(self, request: dict[str, Any]) -> Reply:
        """Send one request, once."""
        import httpx

        begun, body, status = time.monotonic(), bytearray(), None
        fault, may_cost, retry_after = "", True, None
        try:
            with self._client.stream("POST", self._url, json=request) as answer:
                status, retry_after = answer.status_code, _seconds(answer.headers.get("retry-after", ""))
                may_cost = status < 400
                # Some servers compress what nobody asked them to.
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MAX_BYTES:
                        fault = "the answer is too large"
                        break
                    if time.monotonic() - begun > self._timeout_s:
                        raise httpx.ReadTimeout("the answer drips")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            fault, may_cost = f"{CANNOT_CONNECT}: {_cause(error)}", False
        except httpx.TimeoutException:
            fault = "timeout"
        except httpx.HTTPError:
            fault = "the connection broke"
        # Of what is too large to be read, the beginning shows what it is.
        text = bytes(body[: MAX_BYTES if len(body) <= MAX_BYTES else 65_536]).decode("utf-8", "replace")
        if status != 200 and len(self._key) >= _SECRET:
            text = text.replace(self._key, "[key]")
        return Reply(status, text, fault, may_cost, retry_after, time.monotonic() - begun)


def read_completion(body: str) -> Completion | None:
    """What the body of an answer says; None where it is no chat completion."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError, MemoryError):
        return None
    choices = value.get("choices") if isinstance(value, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(message, dict):
        return None
    content, reason, usage = message.get("content"), first.get("finish_reason"), value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    asked, written, total = (_count(counts.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    if written is not None and asked is not None and total is not None:
        # Some servers leave the tokens of reasoning out of all but the total.
        written = max(written, total - asked)
    told = reason[:40].encode("ascii", "replace").decode() if isinstance(reason, str) else ""
    return Completion(content if isinstance(content, str) else "", told, asked, written)


def error_text(body: str) -> str:
    """What a server says is wrong, in at most 300 characters."""
    try:
        value = json.loads(body)
        error = value.get("error", value)
        told = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, RecursionError, AttributeError):
        told = body
    return " ".join(str(told)[:300].split())


def unusable(reply: Reply, where: str, model: str) -> ModelError:
    """The error for a reply that every other request would get as well."""
    if reply.status in (401, 403):
        fix = "set OPENAI_API_KEY to a key it accepts"
        return ModelError(f"the server refuses the key (HTTP {reply.status})", where=where, fix=fix)
    if reply.status == 404:
        what = f"the server has no model '{model}', or the address is not its API (HTTP 404)"
        return ModelError(what, where=where, fix="check --model against the server's /v1/models")
    return ModelError(f"the server cannot be used (HTTP {reply.status})", where=where, fix=error_text(reply.body))


def _address(url: str) -> str:
    """The address of the API, ``/v1`` added when the user gave the server alone.

    Raises:
        ModelError: it cannot be one; the message shows nothing of it that may be a secret.
    """
    import httpx

    form = "write it as http://HOST:PORT or http://HOST:PORT/v1"
    try:
        parts = urlsplit(url.strip())
        httpx.URL(url.strip())
        host = (parts.hostname or "").encode("idna").decode()
        good = bool(re.fullmatch(r"[0-9a-z._-]+|[0-9a-f:.]+(%\w+)?", host)) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good or parts.scheme not in ("http", "https") or re.search(r"\s", url.strip()):
        # What cannot be read as an address may hold a password anywhere.
        shown = "" if re.search("[@?#]", url) else url.strip()
        raise ModelError("not a server's address", where=shown, fix=form)
    if parts.query or parts.fragment:
        raise ModelError("a server's address has nothing after '?' or '#'", where=parts.hostname, fix=form)
    if parts.path.rstrip("/").endswith("/completions"):
        raise ModelError("the address is that of completions, not of the API", where=parts.hostname, fix=form)
    return EndpointModel(url, "").url


def _cause(error: BaseException) -> str:
    """Why there is no connection, as the innermost error has it: its text without numbers and lines of C."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    told = (error.strerror if isinstance(error, OSError) else "") or str(error) or "no answer in time"
    return " ".join(re.sub(r"\[[^]]*\] ?|\(_ssl.*?\)", "", told)[:100].split())


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None


def _seconds(told: str) -> float | None:
    """Retry-After: a number of seconds or a date."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", told):
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
