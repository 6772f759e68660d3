# ruff: noqa
# tries: to make a socket by the number of the system call, past Python's socket module
# shown without containment: yes
# stopped by: filter
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
number = 198 if os.uname().machine == "aarch64" else 41
if libc.syscall(number, 2, 1, 0) >= 0:
    print("H4RM D0NE")
print(os.strerror(ctypes.get_errno()))
