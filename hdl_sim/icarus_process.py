"""The process behind `icarus_pool`: decides one job after the other and ends with the process that asks.

Reads jobs from a socket, ``(method of Icarus, arguments)`` pickled, from the one process that holds its other end;
writes replies to it. Those are JSON or bytes and never pickled: this process reads hostile text.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue

from autovcoder.errors import AutoVCoderError, ToolFailed
from autovcoder.records import Verdict
from hdl_sim.icarus import Icarus
from hdl_sim.pool import cut_all

_END_S = 5.0


def main(descriptor: int) -> None:
    """Serve until the other side closes the socket, and then leave nothing running."""
    connection = Connection(descriptor)
    jobs: SimpleQueue[bytes] = SimpleQueue()
    worker = threading.Thread(target=_work, args=(connection, jobs), daemon=True)
    worker.start()
    try:
        while True:
            jobs.put(connection.recv_bytes())
    except (EOFError, OSError):
        pass
    jobs.put(b"")
    for _ in range(int(_END_S / 0.02)):
        cut_all([worker.ident])
        worker.join(0.02)
        if not worker.is_alive():
            return
    os._exit(1)  # the front end is at a text that takes it long


def _work(connection: Connection, jobs: SimpleQueue[bytes]) -> None:
    icarus = Icarus()
    while job := jobs.get():
        method, *arguments = pickle.loads(job)  # noqa: S301 - from the process that started this one
        try:
            found = getattr(icarus, method)(*arguments)
            kind, reply = "reply", found.model_dump_json().encode() if isinstance(found, Verdict) else found
        except AutoVCoderError as error:
            kind, reply = type(error).__name__, "\0".join((error.what, error.where, error.fix)).encode()
        except Exception as error:
            kind, reply = ToolFailed.__name__, f"the simulation failed\0{type(error).__name__}\0{error}".encode()
        try:
            connection.send_bytes(kind.encode())
            connection.send_bytes(reply)
        except OSError:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
