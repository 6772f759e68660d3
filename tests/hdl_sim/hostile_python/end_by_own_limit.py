# ruff: noqa
# tries: to end as if somebody else had killed it, by a limit of its own
# shown without containment: no
# ends by: signal or cpu_timeout
import resource

resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
while True:
    pass
