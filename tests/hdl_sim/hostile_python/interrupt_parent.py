# ruff: noqa
# tries: to have the kernel interrupt whoever started it, which breaks what watches it
# shown without containment: no
import fcntl
import os
import signal
import time

F_SETSIG = 10
for number in (signal.SIGINT, signal.SIGIO, signal.SIGTERM):
    read, write = os.pipe()
    try:
        fcntl.fcntl(read, fcntl.F_SETOWN, os.getppid())
        fcntl.fcntl(read, F_SETSIG, number)
        fcntl.fcntl(read, fcntl.F_SETFL, 0o20000)
    except OSError as error:
        print(error)
    os.write(write, b"x")
time.sleep(0.05)
