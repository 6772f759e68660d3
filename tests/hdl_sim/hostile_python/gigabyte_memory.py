# ruff: noqa
# tries: to take a gigabyte
# shown without containment: yes
# ends by: memory
kept = bytearray(1 << 30)
print("H4RM D0NE")
