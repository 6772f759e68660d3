# ruff: noqa
# tries: to send from a pair of sockets, which is made without an address
# shown without containment: yes
import socket

first, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
first.sendto(b"h4rm", "@DATAGRAM@")
print("H4RM D0NE")
