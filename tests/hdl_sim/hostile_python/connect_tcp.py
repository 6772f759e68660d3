# ruff: noqa
# tries: to connect to a server
# shown without containment: yes
import socket

socket.create_connection(("127.0.0.1", int("@PORT@")), timeout=5).sendall(b"h4rm")
print("H4RM D0NE")
