# ruff: noqa
# tries: to end as if somebody else had killed it, by a timer
# shown without containment: no
# ends by: exited or signal
import ctypes
import os
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
create, arm = (107, 110) if os.uname().machine == "aarch64" else (222, 223)
event = ctypes.create_string_buffer(struct.pack("qii", 0, 9, 0), 64)  # SIGEV_SIGNAL, SIGKILL
timer = ctypes.c_int()
if libc.syscall(create, 1, event, ctypes.byref(timer)) == 0:
    libc.syscall(arm, timer, 0, struct.pack("4q", 0, 0, 0, 1000), None)
    time.sleep(20)
print(os.strerror(ctypes.get_errno()))
