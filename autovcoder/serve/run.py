"""The server as a process: an address that is ours before the model is loaded, and a clean end at Ctrl-C.

Reads and writes a socket.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from autovcoder.errors import InputError
from autovcoder.serve.service import Service

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
        http="h11",
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
