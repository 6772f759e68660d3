# ruff: noqa
# tries: to make a socket by x86's second set of numbers
# shown without containment: no
# stopped by: filter
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
for number in (0x40000000 + 41, 0x40000000 + 57):
    if libc.syscall(number, 2, 1, 0) >= 0:
        print("H4RM D0NE")
    print(os.strerror(ctypes.get_errno()))
