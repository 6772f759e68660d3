# ruff: noqa
# tries: the calls for queues, semaphores and shared memory that are there already, for watches, and for timers
# shown without containment: no
# stopped by: filter
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
x86 = (30, 31, 65, 66, 67, 69, 70, 71, 220, 241, 242, 243, 244, 245, 253, 254, 255, 294, 222)
arm = (196, 195, 193, 191, 197, 189, 188, 187, 192, 181, 182, 183, 184, 185, 26, 27, 28, 107)
for number in arm if os.uname().machine == "aarch64" else x86:
    if libc.syscall(number, -1, 0, 0, 0, 0) >= 0 or ctypes.get_errno() != errno.EPERM:
        print(number)
        print("H4RM D0NE")
