# ruff: noqa
# tries: to read a file of the user, by its path and through what a shell would expand
# shown without containment: yes
import os
import pathlib

for path in ("@CANARY@", "/proc/self/root@CANARY@", "/proc/1/root@CANARY@", "/proc/thread-self/cwd/../../@CANARY@"):
    try:
        if "@SECRET@" in pathlib.Path(os.path.expanduser(path)).read_text():
            print("H4RM D0NE")
    except OSError as error:
        print(error)
