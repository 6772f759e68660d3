# ruff: noqa
# tries: to end processes of the user, its parent first
# shown without containment: yes
import os
import signal

for number in (int("@PID@"), os.getppid()):
    for how in (os.kill, lambda n, s: os.kill(-os.getpgid(n), s)):
        try:
            how(number, 0)
            if number > 1 and (number != int("@PID@") or how(number, signal.SIGKILL) is None):
                print("H4RM D0NE")
        except OSError as error:
            print(error)
