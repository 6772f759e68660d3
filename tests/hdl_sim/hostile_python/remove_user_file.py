# ruff: noqa
# tries: to remove and to replace a file of the user
# shown without containment: yes
import os

open("mine", "w").close()
for change in (lambda: os.rename("mine", "@CANARY@"), lambda: os.unlink("@CANARY@")):
    try:
        change()
    except OSError as error:
        print(error)
    else:
        print("H4RM D0NE")
