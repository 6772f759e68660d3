# ruff: noqa
# tries: to read memory that a process of the user shares, by its number, and to remove it
# shown without containment: yes
# stopped by: filter or namespaces
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
place = libc.shmat(int("@SHARED@"), None, 0)
if place not in (None, ctypes.c_void_p(-1).value) and ctypes.string_at(place).decode() == "@SECRET@":
    print("H4RM D0NE")
