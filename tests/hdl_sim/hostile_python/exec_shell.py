# ruff: noqa
# tries: to become a shell
# shown without containment: yes
# stopped by: filter
import os

os.execv("/bin/sh", ["sh", "-c", "echo 'H4RM D0NE'"])
