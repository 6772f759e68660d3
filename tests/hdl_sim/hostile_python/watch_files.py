# ruff: noqa
# tries: to be told whenever a file of the user is used
# shown without containment: yes
# stopped by: filter or namespaces
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.inotify_add_watch(libc.inotify_init1(0), b"@CANARY@", 0xFFF) >= 0:
    print("H4RM D0NE")
