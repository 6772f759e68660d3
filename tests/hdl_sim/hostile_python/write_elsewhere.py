# ruff: noqa
# tries: to leave a file where everybody may write
# shown without containment: yes
import os

for folder in ("/tmp", "/var/tmp", "/dev/shm", "..", os.path.dirname("@CANARY@")):
    try:
        with open(f"{folder}/h4rm-@WORD@", "w") as file:
            file.write("h4rm")
    except OSError as error:
        print(error)
    else:
        print("H4RM D0NE")
