"""The server as a process: an address that is ours before the model is loaded, and a clean end at Ctrl-C.

Reads and writes a socket.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from autovcoder.errors import InputError
from autovcoder.serve.service import Service

_HEAD_S = 30.0  # for the head of a request
_END_S = 5  # for answers that are under way when the server ends


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at the address, and answers nobody yet; port 0 takes a free one.

    Raises:
        InputError: the address is none of this machine's, or taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen()  # two that have only bound it would both believe that it is theirs
        except BaseException:
            made.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("cannot listen", where=f"{host}, port {port}", fix=reason) from None
    return made


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def url_of(host: str, bound: socket.socket) -> str:
    """The address of the server for a person."""
    port: int = bound.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: ASGIApp, bound: socket.socket, service: Service, ready: Callable[[], None]) -> None:
    """Serve until a signal ends it; ``ready`` is called when the first question can be asked.

    Raises:
        KeyboardInterrupt: at SIGINT and SIGTERM, when all that was under way has been told to end.
    """
    # What was there before this server is called again by uvicorn at its end: both signals then end the command alike.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_END_S,
    )
    try:
        _Server(config, service, ready).run([bound])
    finally:
        service.close()


class _Protocol(H11Protocol):
    """Ends a connection on which the head of a request does not come in time.

    Of a head, uvicorn itself bounds the size, and the wait for its first byte where an answer went before it.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(_HEAD_S, self._end_unless_asked)

    def _end_unless_asked(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.timeout_keep_alive_handler()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._ready = service, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.ending = True  # a signal may come while a lock is held: nothing more is done here
        super().handle_exit(sig, frame)
