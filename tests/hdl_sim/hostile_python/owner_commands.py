# ruff: noqa
# tries: each of the commands by which the kernel signals others, or a lease that holds them up
# shown without containment: yes
# stopped by: filter
import fcntl
import os
import struct

F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, FIOASYNC = 10, 15, 1024, 1026, 0x5452
read, write = os.pipe()
folder, mine = os.open(".", os.O_RDONLY), os.open("main.py", os.O_RDONLY)
for attempt in (
    lambda: fcntl.fcntl(read, fcntl.F_SETOWN, os.getpid()),
    lambda: fcntl.fcntl(read, F_SETSIG, 10),
    lambda: fcntl.fcntl(read, F_SETOWN_EX, struct.pack("ii", 1, os.getpid())),
    lambda: fcntl.fcntl(mine, F_SETLEASE, fcntl.F_RDLCK),
    lambda: fcntl.fcntl(folder, F_NOTIFY, 2),
    lambda: fcntl.fcntl(write, fcntl.F_SETFL, 0o20000 | os.O_NONBLOCK),
    lambda: fcntl.ioctl(write, FIOASYNC, struct.pack("i", 1)),
):
    try:
        attempt()
    except OSError as error:
        print(error)
    else:
        print("H4RM D0NE")
