# ruff: noqa
# tries: to talk through descriptors that it may have inherited
# shown without containment: no
import os

for number in range(3, 256):
    try:
        os.write(number, b"\0\0\0\2{}")
    except OSError:
        continue
    print("H4RM D0NE")
