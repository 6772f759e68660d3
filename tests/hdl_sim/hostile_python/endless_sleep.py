# ruff: noqa
# tries: to wait for ever
# shown without containment: no
# ends by: wall_timeout
import time

time.sleep(1e6)
