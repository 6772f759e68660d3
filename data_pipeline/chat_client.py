"""One request to an OpenAI-compatible server, and all that can become of it, as a value.

Reads the key from OPENAI_API_KEY (a local server needs none); writes nothing. httpx rather than the openai package: an
answer is kept as it came, read no further than a bound and no longer than a deadline, and asked for again by rules of
ours alone.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from autovcoder.errors import InputError
from autovcoder.models.endpoint import EndpointModel

CONNECT_S = 10.0
MAX_BYTES = 8 * 1024 * 1024
"""Of an answer's body. The longest draft that is read is a fraction of it."""
_MAX_TOKENS = 10**9


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
        timeout_s: for one whole answer, from the first byte sent to the last received.

    Raises:
        ModelError: the address is not one. InputError: OPENAI_API_KEY cannot be a key.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        import httpx

        address = EndpointModel(url, "").url
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
                for part in answer.iter_raw():
                    body += part
                    if len(body) > MAX_BYTES:
                        fault = "the answer is too large"
                        break
                    if time.monotonic() - begun > self._timeout_s:
                        raise httpx.ReadTimeout("the answer drips")
        except (httpx.ConnectError, httpx.ConnectTimeout):
            fault, may_cost = "cannot connect", False
        except httpx.TimeoutException:
            fault = "timeout"
        except httpx.HTTPError:
            fault = "the connection broke"
        # Of what is too large to be read, the beginning shows what it is.
        text = bytes(body[: MAX_BYTES if len(body) <= MAX_BYTES else 65_536]).decode("utf-8", "replace")
        if self._key:
            text = text.replace(self._key, "[key]")
        return Reply(status, text, fault, may_cost, retry_after, time.monotonic() - begun)


def read_completion(body: str) -> Completion | None:
    """What the body of an answer says; None where it is no chat completion."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    choices = value.get("choices") if isinstance(value, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(message, dict):
        return None
    content, reason, usage = message.get("content"), first.get("finish_reason"), value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(
        content if isinstance(content, str) else "",
        reason[:40] if isinstance(reason, str) else "",
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
    )


def error_text(body: str) -> str:
    """What a server says is wrong, in at most 300 characters."""
    try:
        value = json.loads(body)
        error = value.get("error", value)
        told = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, RecursionError, AttributeError):
        told = body
    return " ".join(str(told)[:300].split())


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
