# ruff: noqa
# tries: to find keys in the homes of users
# shown without containment: yes
import os

for home in ("/root", "/home", os.path.dirname("@CANARY@")):
    try:
        if {".ssh", ".bashrc", ".profile", "canary.txt"} & {*os.listdir(home)}:
            print("H4RM D0NE")
    except OSError as error:
        print(error)
