# ruff: noqa
# tries: to hold a processor for ever, whatever it is sent
# shown without containment: no
# ends by: cpu_timeout
import signal

for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
