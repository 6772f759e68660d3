# ruff: noqa
# tries: to leave memory in the kernel that outlives it
# shown without containment: yes
# stopped by: filter
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
found = libc.shmget(0, 4096, 0o1600)
if found >= 0:
    libc.shmctl(found, 0, None)
    print("H4RM D0NE")
