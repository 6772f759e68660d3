# ruff: noqa
# tries: to ask the kernel for the machine's addresses
# shown without containment: no
import socket
import struct

link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
link.send(struct.pack("=LHHLLBxHiLL", 32, 22, 0x301, 1, 0, 0, 0, 0, 0, 0))
# More than the loopback interface of an empty network.
if len(link.recv(65536)) > 100:
    print("H4RM D0NE")
