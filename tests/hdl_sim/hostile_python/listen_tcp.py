# ruff: noqa
# tries: to be a server
# shown without containment: yes
# stopped by: filter
import socket

server = socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET)
server.listen()
print("H4RM D0NE")
