"""The process behind `icarus_pool`: decides one job after the other and ends with the process that asks.

Reads jobs from a socket, ``(method of Icarus, arguments)`` pickled, from the one process that holds its other end;
writes replies to it. Those are JSON or bytes and never pickled: this process reads hostile text.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue

from autovcoder.errors import AutoVCoderError
from autovcoder.records import Verdict
from hdl_sim.icarus import Icarus
from hdl_sim.pool import cut_all
from hdl_sim.run_folders import remove_folders

_END_S = 2.0


def main(descriptor: int) -> None:
    """Serve until the other side closes the socket, and then leave nothing running."""
    connection = Connection(descriptor)
    jobs: SimpleQueue[bytes] = SimpleQueue()
    worker = threading.Thread(target=_work, args=(connection, jobs), daemon=True)
    worker.start()
    connection.send_bytes(b"ready")
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
    _end()  # the front end is at a text that takes it long


def _work(connection: Connection, jobs: SimpleQueue[bytes]) -> None:
    icarus = Icarus()
    try:
        while job := jobs.get():
            for part in _answer(icarus, job):
                connection.send_bytes(part)
    except OSError:
        return  # the other side is gone
    except BaseException:
        # A fault of ours: it is said where the process that asks looks for it, which sees this one end.
        traceback.print_exc()
        _end()


def _answer(icarus: Icarus, job: bytes) -> tuple[bytes, bytes]:
    """The kind of the reply, and the reply."""
    method, *arguments = pickle.loads(job)  # noqa: S301 - from the process that started this one
    try:
        found = getattr(icarus, method)(*arguments)
    except AutoVCoderError as error:
        return type(error).__name__.encode(), json.dumps([error.what, error.where, error.fix]).encode()
    return b"reply", found.model_dump_json().encode() if isinstance(found, Verdict) else found


def _end() -> None:
    remove_folders(os.getpid())
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
