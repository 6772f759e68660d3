# ruff: noqa
# tries: to run a program from memory, where there is no file to be refused
# shown without containment: yes
# stopped by: filter
import ctypes
import os

handle = os.memfd_create("h4rm")
with open("/bin/echo", "rb") as file:
    os.write(handle, file.read())
os.set_inheritable(handle, True)
libc = ctypes.CDLL(None)
arguments = (ctypes.c_char_p * 3)(b"echo", b"H4RM D0NE", None)
libc.fexecve(handle, arguments, (ctypes.c_char_p * 1)(None))
