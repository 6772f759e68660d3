# ruff: noqa
# tries: to write on after closing its outputs, and to the terminal
# shown without containment: no
import os

os.close(1)
os.close(2)
for path in ("/dev/tty", "/dev/console", "/proc/self/fd/0", "/dev/stdin", "/dev/pts/0"):
    try:
        with open(path, "w") as file:
            file.write("H4RM D0NE\n")
    except OSError:
        pass
