"""Namespaces: a worker's own view of files, processes and network, in which there is nothing but what it needs.

Reads and mounts the folders that it is told to; `confine.py` uses it inside a worker. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
from collections.abc import Callable, Sequence

# linux/sched.h and linux/mount.h.
_NEW_FILES, _NEW_NAME, _NEW_IPC, _NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_ALL_BUT_USER = _NEW_FILES | _NEW_NAME | _NEW_IPC | _NEW_PROCESSES | _NEW_NETWORK
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
# What a mount that is made read-only must keep; statvfs names these flags with the same numbers, but for the last.
_KEPT, _STATVFS_RELATIME, _RELATIME = 2 | 4 | 8 | 1024 | 2048, 4096, 1 << 21
_DETACH = 2
# A little more than `watch.py` ends a run for, and a hard limit: of files too that are open and removed.
_ROOM = "size=320m,nr_inodes=12k"
_PR_SET_PDEATHSIG = 1
_NOBODY = 65534
# Above all users that a system gives out (systemd.io/UIDS-GIDS); process ids are below 1 << 22.
_FIRST_OF_OURS = 0x70000000
Become = Callable[[], None]


def enter(folder: str, readable: Sequence[str]) -> bool:
    """Go on as the first process of new namespaces; the process itself waits for that one.

    There are no other processes, no network, and of the files ``readable``, read-only. At ``folder`` is a new one, in
    memory and of limited size, which is not seen from outside: a descriptor of it must be handed out. When the first
    process of such a namespace ends, the kernel ends all in it.

    Returns:
        False where the system does not let us: nothing has changed then.
    """
    for way in (_as_root, _as_anybody):
        if _works(way, folder, readable):
            become = way(folder, readable)
            first = os.fork()
            if first:
                _wait_and_exit(first)
            become()
            return True
    return False


def _works(way: Callable[[str, Sequence[str]], Become], folder: str, readable: Sequence[str]) -> bool:
    """Try it in a process of its own: half of it could not be undone."""
    attempt = os.fork()
    if attempt == 0:
        try:
            there = [path for path in readable if os.path.exists(path)]  # noqa: PTH110
            become = way(folder, readable)
            first = os.fork()
            if first:
                _wait_and_exit(first)
            become()
            usable = os.getpid() == 1 and os.access(folder, os.W_OK) and all(os.access(path, os.R_OK) for path in there)
            os._exit(0 if usable else 1)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(attempt, 0)[1]) == 0


def _wait_and_exit(child: int) -> None:
    os._exit(abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


def _as_root(folder: str, readable: Sequence[str]) -> Become:
    """Root needs no user namespace, and can become a user that owns nothing and whose processes are counted alone.

    Root of a container that has few users cannot, and goes the other way.
    """
    if os.geteuid() != 0:
        raise PermissionError
    _unshare(_ALL_BUT_USER)
    user = _FIRST_OF_OURS + os.getpid()
    # That group is this worker alone.
    _make_root(folder, readable, f"mode=770,gid={user}")

    def become() -> None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        _end_with_parent()

    return become


def _as_anybody(folder: str, readable: Sequence[str]) -> Become:
    """Anybody may make a user namespace, where the system allows it, and has all rights there until the next program.

    That program is nobody to itself, and the same user as ever to the kernel; but it sees nothing of that user's.
    """
    user, group = os.geteuid(), os.getegid()
    _unshare(_ALL_BUT_USER | _NEW_USER)
    for name, text in (
        ("setgroups", "deny"), ("uid_map", f"{_NOBODY} {user} 1"), ("gid_map", f"{_NOBODY} {group} 1")
    ):  # fmt: skip
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib would double this worker's start
            file.write(text)
    _make_root(folder, readable, "mode=700")
    return _end_with_parent


def _end_with_parent() -> None:
    """To be called after a change of user, which would undo it."""
    zero = ctypes.c_ulong(0)
    _check(_libc().prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), zero, zero, zero))


def _make_root(folder: str, readable: Sequence[str], rights: str) -> None:
    """A root folder, in memory, with nothing in it but places where parts of the old one are seen."""
    os.umask(0o022)
    # Parents first, and nothing twice. Links are followed now, while they lead where they should.
    places: dict[str, str] = {}
    for path in sorted((*readable, os.devnull), key=len):
        if os.path.exists(path) and not any(path.startswith(f"{parent}/") for parent in places):  # noqa: PTH110
            places[path] = os.path.realpath(path)
    _mount("none", "/", _RECURSIVE | _PRIVATE)
    # Any folder will do to mount it on: it moves to the root at once.
    _mount("tmpfs", folder, _NO_SETUID | _NO_DEVICES, "mode=755,size=1m")
    os.chdir(folder)
    os.mkdir("old")  # noqa: PTH102
    _check(_libc().pivot_root(b".", b"old"))
    os.chdir("/")
    for path, real in places.items():
        _show(path, f"/old{real}")
    # A flag is for one mount, and each place may bring others below it. The device must stay writable.
    for path in _mounts_of("/old/proc/self/mountinfo"):
        if path not in ("/", os.devnull) and not f"{path}/".startswith("/old/"):
            _mount("none", path, _REMOUNT | _BIND | _READ_ONLY | _NO_SETUID | _flags(path))
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    _mount("tmpfs", folder, _NO_SETUID | _NO_DEVICES, f"{_ROOM},{rights}")
    _check(_libc().umount2(b"/old", _DETACH))
    os.rmdir("/old")  # noqa: PTH106
    _mount("none", "/", _REMOUNT | _BIND | _READ_ONLY | _NO_SETUID | _NO_DEVICES)


def _show(path: str, old: str) -> None:
    if os.path.isdir(old):  # noqa: PTH112
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    _mount(old, path, _BIND | _RECURSIVE)


def _mounts_of(table: str) -> list[str]:
    """Where mounts are, from a table as proc(5) describes it: the fifth word, blanks in it as octal numbers."""
    with open(table, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        words = [line.split(" ")[4] for line in file]
    return [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word) for word in words]


def _flags(path: str) -> int:
    found = os.statvfs(path).f_flag
    return found & _KEPT | (_RELATIME if found & _STATVFS_RELATIME else 0)


def _mount(source: str, target: str, flags: int, options: str | None = None) -> None:
    kind = source.encode() if options else None
    data = options.encode() if options else None
    _check(_libc().mount(source.encode(), os.fsencode(target), kind, ctypes.c_ulong(flags), data))


def _unshare(flags: int) -> None:
    _check(_libc().unshare(ctypes.c_int(flags)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
