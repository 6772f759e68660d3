# ruff: noqa
# tries: to write a gigabyte
# shown without containment: no
# ends by: file_limit or exited
import signal

with open("large", "wb") as file:
    for _ in range(1 << 10):
        file.write(bytes(1 << 20))
print("H4RM D0NE")
