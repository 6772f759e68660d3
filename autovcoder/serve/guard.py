"""Keeps out what other web sites send: a page of theirs may reach this machine's own addresses through a browser.

Reads the heads of requests; writes the heads of responses. A name that an attacker lets point here (DNS rebinding)
stands in ``Host``, and a page of another origin in ``Origin`` or ``Sec-Fetch-Site``.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autovcoder.serve.page import POLICY
from autovcoder.serve.replies import Refused, error_response

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_READS = ("GET", "HEAD")


class Guard:
    """An application behind which only requests to this server's own names, from its own pages or from no page, come.

    The port of ``Host`` is not compared: it is another one where a tunnel leads here, and an attacker does not choose
    by it.

    Args:
        host: what the server is bound to, a name or an address.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names, self._any_address = _names_of(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            self._check(scope["method"], Headers(scope=scope))
        except Refused as error:
            await error_response(error)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _check(self, method: str, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(_name_in(hosts[0])):
            raise Refused(403, "this server does not answer to that name; use the address that it printed")
        if method in _READS:
            return
        origin = headers.get("origin")
        ours = origin is None or origin.lower() in (f"{kind}://{hosts[0].lower()}" for kind in ("http", "https"))
        if not ours or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refused(403, "pages of other origins may not ask this server")

    def _is_ours(self, name: str | None) -> bool:
        return name is not None and (name in self._names or (self._any_address and _is_address(name)))


def _names_of(host: str) -> tuple[frozenset[str], bool]:
    """The names of a server that is bound to ``host``, and whether any address may be one of them."""
    own = host.lower()
    if own in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return frozenset({"localhost", socket.gethostname().lower()}), True
    if own == "localhost" or (_is_address(own) and ipaddress.ip_address(own).is_loopback):
        return frozenset({own, "localhost", "127.0.0.1", "::1"}), False
    return frozenset({own}), False


def _name_in(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname if parts.netloc == host and parts.username is None and parts.port != 0 else None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
