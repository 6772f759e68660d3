# ruff: noqa
# tries: to trace another process and to read its memory
# shown without containment: yes
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
for number in (os.getppid(), int("@PID@")):
    if number and libc.ptrace(0x4206, number, 0, 0) == 0:
        print("H4RM D0NE")
    print(os.strerror(ctypes.get_errno()))
    try:
        with open(f"/proc/{number}/mem", "rb") as file:
            print("H4RM D0NE")
    except OSError as error:
        print(error)
