"""Where runs have their folders: in memory where there is room, and nothing left there of processes that were killed.

Reads and clears folders of ours in the system's memory file system.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - the folders made in it are private
_ROOM = 256 << 20  # bytes
_OURS = re.compile(r"hdl_sim_(\d+)_\w+")
# A process that shares the memory file system, but not our view of processes, may be alive: wait for its run to end.
_AGE_S = 3600.0


def folder_prefix() -> str:
    """How the folders of this process begin."""
    return f"hdl_sim_{os.getpid()}_"


def memory_folder() -> Path | None:
    """The folder in memory, or None where there is none with room enough."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        return None
    return _MEMORY


def remove_folders(pid: int) -> None:
    """Remove every folder of a process that has ended, or is about to and may still do something there."""
    for place in {_MEMORY, Path(tempfile.gettempdir())}:
        for folder in place.glob(f"hdl_sim_{pid}_*"):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder of ours and what a program left in it, as far as that can be done."""
    with suppress(OSError):
        empty(folder)
        folder.rmdir()


def empty(folder: Path) -> None:
    """Remove all that a hostile program can have left in a folder, however deep and whatever its rights.

    Raises:
        OSError: something of it cannot be removed.
    """
    # The program may have closed the folder; whoever else may use it still may.
    os.chmod(folder, stat.S_IMODE(os.stat(folder).st_mode) | 0o700)  # noqa: PTH101, PTH116
    while True:
        inner = [entry.path for entry in os.scandir(folder) if not _unlinked(entry)]
        if not inner:
            return
        for path in inner:
            os.chmod(path, 0o700)  # noqa: PTH101 - never a link
            for entry in os.scandir(path):
                if not _unlinked(entry):
                    # A path to the deepest one can be longer than any that the system takes, and recursion ends early.
                    os.chmod(entry.path, 0o700)  # noqa: PTH101
                    os.rename(entry.path, folder / secrets.token_hex(8))  # noqa: PTH104
            os.rmdir(path)  # noqa: PTH106


def _unlinked(entry: os.DirEntry[str]) -> bool:
    """Remove it unless it is a folder."""
    if entry.is_dir(follow_symlinks=False):
        return False
    os.unlink(entry.path)  # noqa: PTH108 - pathlib would cost as much as the rest of the clearing
    return True


@cache
def sweep_once() -> None:
    """Sweep the memory folder at a process' first run."""
    if os.access(_MEMORY, os.W_OK):
        sweep(_MEMORY)


def sweep(place: Path) -> None:
    """Remove the folders of ours whose process is dead and that are an hour old."""
    for folder in place.iterdir():
        match = _OURS.fullmatch(folder.name)
        if match is None or _is_alive(int(match[1])):
            continue
        try:
            state = folder.lstat()
        except OSError:
            continue  # another process swept it
        if state.st_uid == os.getuid() and time.time() - state.st_mtime > _AGE_S:
            remove(folder)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
