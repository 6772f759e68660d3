# ruff: noqa
# tries: to leave a folder that cannot be emptied
# shown without containment: no
import os

open("-rf", "w").close()
os.mkfifo("pipe")
os.symlink("/", "root")
os.mkdir("closed", 0o300)
os.mkdir("closed/inner", 0o000)
open("closed/file", "w").close()
for _ in range(1200):
    os.mkdir("long" * 10)
    os.chdir("long" * 10)
