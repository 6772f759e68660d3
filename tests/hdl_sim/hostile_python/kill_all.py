# ruff: noqa
# tries: to end all processes
# shown without containment: no
# stopped by: filter or namespaces
import os
import signal

os.kill(-1, signal.SIGKILL)
print("H4RM D0NE")
