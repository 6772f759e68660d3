# ruff: noqa
# tries: to reach a file of the user through links in its own folder
# shown without containment: yes
import os

for make, name in ((os.symlink, "soft"), (os.link, "hard")):
    try:
        make("@CANARY@", name)
        if "@SECRET@" in open(name).read():
            print("H4RM D0NE")
        open(name, "a").write("h4rm")
    except OSError as error:
        print(error)
