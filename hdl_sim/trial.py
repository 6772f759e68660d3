"""Lets a process of its own read a text on which the front end may crash: it comes back, or it does not.

Reads a text; writes nothing. What may be such a text says `hdl_sim.nesting`; few designs are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from autovcoder.errors import ToolFailed

# Half of what a thread of the process that asks has: what fits here fits there.
_STACK_BYTES = 4 << 20
_CPU_S, _WALL_S, _MEMORY_BYTES = 5, 60.0, 4 << 30
_HARMLESS, _HARMFUL = 0, 4
# What this process imports from is where that one does; behind its own folders, so that Python's own modules are first.
_START = "import json, sys; sys.path += json.loads(sys.argv[1]); from hdl_sim.trial import main; main()"


@lru_cache(maxsize=32)
def front_end_survives(code: str) -> bool:
    """True when slang reads a text to its end on half a stack, in little time, and its tree is no deeper than allowed.

    Raises:
        ToolFailed: no process can be started, or it cannot import what it needs.
    """
    try:
        ended = subprocess.run(
            [
                sys.executable,
                "-I",
                "-c",
                _START,
                json.dumps([str(Path(__file__).parent.parent), *filter(None, sys.path)]),
            ],
            input=code.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_WALL_S,
            start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    except OSError as error:
        raise ToolFailed("cannot start a process to read a design in", fix=str(error)) from None
    if ended.returncode > 0 and ended.returncode != _HARMFUL:
        raise ToolFailed(
            "cannot read a design in a process of its own", where=sys.executable, fix=_last_line(ended.stderr)
        )
    return ended.returncode == _HARMLESS


def _last_line(said: bytes) -> str:
    return said.decode(errors="replace").strip().rpartition("\n")[2]


def main() -> None:
    """Read the text on stdin, and end with `_HARMLESS` where it is harmless."""
    import resource

    from hdl_sim.nesting import tree_nests_too_deep
    from hdl_sim.slang import parse, read_unbounded

    for kind, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, _CPU_S), (resource.RLIMIT_AS, _MEMORY_BYTES)):
        with suppress(OSError, ValueError):  # a lower limit may be set already, or the system knows none
            resource.setrlimit(kind, (limit, limit))
    code = sys.stdin.buffer.read().decode()

    def read() -> None:
        if not tree_nests_too_deep(parse(code).root) and not read_unbounded(code).refused:
            os._exit(_HARMLESS)

    threading.stack_size(_STACK_BYTES)
    reader = threading.Thread(target=read)
    reader.start()
    reader.join()
    os._exit(_HARMFUL)
