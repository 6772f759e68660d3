# ruff: noqa
# tries: to mount what it lacks, and to leave its root folder
# shown without containment: no
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
os.mkdir("here")
if libc.mount(b"proc", b"here", b"proc", 0, None) == 0:
    print("H4RM D0NE")
if libc.chroot(b"here") == 0:
    print("H4RM D0NE")
print(os.strerror(ctypes.get_errno()))
