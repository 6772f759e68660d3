# ruff: noqa
# tries: to find secrets in the environment and the open files of other processes
# shown without containment: yes
import glob
import os

if "@SECRET@" in str(os.environ):
    print("H4RM D0NE")
for path in ("/proc/@PID@/environ", *glob.glob("/proc/*/environ")):
    try:
        if "@SECRET@" in open(path, errors="replace").read():
            print("H4RM D0NE")
    except OSError:
        pass
