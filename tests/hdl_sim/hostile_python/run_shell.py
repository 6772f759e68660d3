# ruff: noqa
# tries: to run a shell in each of the ways that Python has
# shown without containment: yes
# stopped by: filter
import os
import subprocess

for run in (
    lambda: subprocess.run(["/bin/sh", "-c", "echo 'H4RM D0NE'"], check=True),
    lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "echo 'H4RM D0NE'"], {}),
    lambda: os.system("echo 'H4RM D0NE'"),
    lambda: print(os.popen("echo 'H4RM D0NE'").read()),
):
    try:
        run()
    except OSError as error:
        print(error)
