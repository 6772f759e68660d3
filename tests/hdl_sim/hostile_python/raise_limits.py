# ruff: noqa
# tries: to lift its limits
# shown without containment: yes
import resource

for which in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU):
    try:
        resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError) as error:
        print(error)
    else:
        print("H4RM D0NE")
