"""System calls that no confined program may make: filters for the kernel, put together by hand.

Reads this machine's architecture; `confine.py` puts one filter on every worker, and what runs a language model's Python
puts a second one on itself. Standard library only: it runs inside workers too.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterable

# Names and numbers from Linux' asm/unistd_64.h and asm-generic/unistd.h: x86_64, then aarch64 (0: it has none).
_NETWORK = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
}  # fmt: skip
# What could lift the confinement, reach other processes' memory, or outlive the program.
_KERNEL = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "bpf": (321, 280), "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "userfaultfd": (323, 282), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "iopl": (172, 0), "ioperm": (173, 0), "personality": (135, 92),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "inotify_init": (253, 0), "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27), "inotify_rm_watch": (255, 28),
}  # fmt: skip
# What is there already needs only its number: making one is not the only call to refuse.
_SHARED_BY_NUMBER = {
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197), "semget": (64, 190),
    "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183), "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
}  # fmt: skip
# Landlock says nothing about who owns a file and who may read it; no tool of ours changes that.
_FILE_OWNERS = {
    "chmod": (90, 0), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, 0),
    "fchown": (93, 55), "lchown": (94, 0), "fchownat": (260, 54), "utime": (132, 0), "utimes": (235, 0),
    "utimensat": (280, 88), "futimesat": (261, 0), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
}  # fmt: skip
_NEW_PROCESS = {"fork": (57, 0), "vfork": (58, 0)}
_EXECUTE = {"execve": (59, 221), "execveat": (322, 281)}
_OTHER_PROCESSES = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "ioprio_set": (251, 30),
    "process_madvise": (440, 440), "process_mrelease": (448, 448),
    # Sends itself any signal, SIGKILL too, which would look like somebody else's doing.
    "timer_create": (222, 107),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT, _FCNTL, _IOCTL = (56, 220), (435, 435), (302, 261), (72, 25), (16, 29)
# Through these the kernel sends any signal to any process: F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY;
# FIOASYNC, FIOSETOWN, SIOCSPGRP; and F_SETFL (4) with O_ASYNC.
_OWNER_COMMANDS, _OWNER_CONTROLS = (8, 10, 15, 1024, 1026), (0x5452, 0x8901, 0x8902)
_F_SETFL, _O_ASYNC = 4, 0x2000
# A later call may do anything; the mark of x86's x32 calls, 1 << 30, is above it too.
_LAST_KNOWN = 462
_CLONE_THREAD = 0x10000
_CLONE_NEW = 0x7E020000  # a new namespace of any kind that clone can make
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# Classic BPF (linux/filter.h) and what a filter answers (linux/seccomp.h).
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _REFUSE, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
# struct seccomp_data; both machines are little-endian.
_AT_NUMBER, _AT_ARCH, _AT_FIRST, _AT_SECOND, _AT_THIRD = 0, 4, 16, 24, 32


def supported() -> bool:
    """Whether there are filters for this machine; not whether its kernel takes them."""
    return sys.platform == "linux" and os.uname().machine in _MACHINES and struct.calcsize("P") == 8


def worker_filter() -> bytes:
    """For all that a worker runs: no sockets, no namespaces, no tracing, nothing that outlives it."""
    which = _which()
    return _program(
        which,
        _refusals(which, {**_NETWORK, **_KERNEL, **_SHARED_BY_NUMBER, **_FILE_OWNERS})
        + _when(_CLONE[which], _refuse_bits(_CLONE_NEW)),
    )


def one_process_filter(*, threads: bool) -> bytes:
    """On top of it, for one process: it starts no other and touches no other.

    Args:
        threads: leave it threads, and the one call that makes it another program (execve): for a simulator with Python
            in it. Otherwise neither.
    """
    which = _which()
    names = {**_NEW_PROCESS, **_OTHER_PROCESSES, "execveat": _EXECUTE["execveat"]}
    if threads:
        clone = _unless_bits(_CLONE_THREAD)
    else:
        names |= _EXECUTE
        clone = [(_RETURN, 0, 0, _REFUSE | errno.EPERM)]
    # Its own limits it may look up and lower.
    of_others = [(_LOAD, 0, 0, _AT_FIRST), (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]
    asynchronous = [(_EQUAL, 0, 3, _F_SETFL), *_refuse_bits(_O_ASYNC, _AT_THIRD)]
    return _program(
        which,
        _refusals(which, names)
        + _when(_CLONE[which], clone)
        + _when(_PRLIMIT[which], of_others)
        + _when(_FCNTL[which], [(_LOAD, 0, 0, _AT_SECOND), *_refuse_each(_OWNER_COMMANDS), *asynchronous])
        + _when(_IOCTL[which], [(_LOAD, 0, 0, _AT_SECOND), *_refuse_each(_OWNER_CONTROLS)]),
    )


Instruction = tuple[int, int, int, int]  # operation, jump if true, jump if false, operand


def _which() -> int:
    return _MACHINES[os.uname().machine][0]


def _program(which: int, rules: Iterable[Instruction]) -> bytes:
    arch = next(arch for number, arch in _MACHINES.values() if number == which)
    instructions = [
        (_LOAD, 0, 0, _AT_ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL_PROCESS),  # the calls of a 32-bit program have other numbers
        (_LOAD, 0, 0, _AT_NUMBER),
        (_ABOVE, 0, 1, _LAST_KNOWN),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
        # Its flags are in memory, where a filter cannot look; the C library goes back to clone.
        (_EQUAL, 0, 1, _CLONE3[which]),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
        *rules,
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def _refusals(which: int, calls: dict[str, tuple[int, int]]) -> list[Instruction]:
    return _refuse_each(numbers[which] for numbers in calls.values() if numbers[which])


def _refuse_each(values: Iterable[int]) -> list[Instruction]:
    """Refuse the call where what is loaded is one of these."""
    return [part for n in values for part in ((_EQUAL, 0, 1, n), (_RETURN, 0, 0, _REFUSE | errno.EPERM))]


def _when(number: int, then: list[Instruction]) -> list[Instruction]:
    """Instructions for one call only; behind them the call's number is loaded again."""
    return [(_EQUAL, 0, len(then) + 1, number), *then, (_LOAD, 0, 0, _AT_NUMBER)]


def _refuse_bits(bits: int, at: int = _AT_FIRST) -> list[Instruction]:
    return [(_LOAD, 0, 0, at), (_ANY_BIT, 0, 1, bits), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]


def _unless_bits(bits: int) -> list[Instruction]:
    return [(_LOAD, 0, 0, _AT_FIRST), (_ANY_BIT, 1, 0, bits), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]
