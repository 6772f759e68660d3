# ruff: noqa
# tries: to read and leave keys in the kernel
# shown without containment: no
# stopped by: filter
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
number = 217 if os.uname().machine == "aarch64" else 248
if libc.syscall(number, b"user", b"h4rm", b"x", 1, -4) >= 0:
    print("H4RM D0NE")
print(os.strerror(ctypes.get_errno()))
