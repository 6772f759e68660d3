# ruff: noqa
# tries: to send a datagram, which needs no connection
# shown without containment: yes
import socket

socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"h4rm", ("127.0.0.1", int("@PORT@")))
print("H4RM D0NE")
