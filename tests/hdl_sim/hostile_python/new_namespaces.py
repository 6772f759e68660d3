# ruff: noqa
# tries: to become root of namespaces of its own
# shown without containment: yes
# stopped by: filter
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) == 0 or libc.unshare(0x00020000) == 0:
    print("H4RM D0NE")
print(os.strerror(ctypes.get_errno()))
