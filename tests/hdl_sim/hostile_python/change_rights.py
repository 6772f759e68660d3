# ruff: noqa
# tries: to change who may read a file of the user, and when it was written
# shown without containment: yes
import os

for change in (lambda p: os.chmod(p, 0o777), lambda p: os.utime(p, (1, 1)), lambda p: os.truncate(p, 0)):
    try:
        change("@CANARY@")
    except OSError as error:
        print(error)
    else:
        print("H4RM D0NE")
