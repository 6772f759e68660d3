# ruff: noqa
# tries: to end a process by its limits
# shown without containment: yes
import resource

resource.prlimit(int("@PID@"), resource.RLIMIT_NPROC)
resource.prlimit(int("@PID@"), resource.RLIMIT_FSIZE, (0, 0))
print("H4RM D0NE")
