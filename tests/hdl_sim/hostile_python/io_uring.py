# ruff: noqa
# tries: to do its calls through a ring that filters do not see
# shown without containment: no
# stopped by: filter
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(425, 4, ctypes.create_string_buffer(120)) >= 0:
    print("H4RM D0NE")
print(os.strerror(ctypes.get_errno()))
