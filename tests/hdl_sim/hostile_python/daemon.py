# ruff: noqa
# tries: to outlive its run, in a session of its own
# shown without containment: no
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(0.3)
        open("@CANARY@.left", "w").close()
        os.execv("/bin/sleep", ["sleep", "@WORD@"])
    os._exit(0)
