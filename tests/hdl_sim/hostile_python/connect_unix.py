# ruff: noqa
# tries: to connect to a service by the path of its socket
# shown without containment: yes
import socket

client = socket.socket(socket.AF_UNIX)
client.connect("@SOCKET@")
print("H4RM D0NE")
