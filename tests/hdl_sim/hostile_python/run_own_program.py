# ruff: noqa
# tries: to run a program that it wrote itself
# shown without containment: yes
# stopped by: filter or Landlock
import os
import shutil

shutil.copyfile("/bin/echo", "program")
try:
    os.chmod("program", 0o700)
finally:
    os.execv("./program", ["program", "H4RM D0NE"])
