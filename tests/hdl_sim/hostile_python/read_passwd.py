# ruff: noqa
# tries: to read a file of the system
# shown without containment: yes
if ":" in open("/etc/passwd").read():
    print("H4RM D0NE")
