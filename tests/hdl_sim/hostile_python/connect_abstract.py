# ruff: noqa
# tries: to connect to a service by a name that is no path
# shown without containment: yes
import socket

client = socket.socket(socket.AF_UNIX)
client.connect("\x00@WORD@")
print("H4RM D0NE")
