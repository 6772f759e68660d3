# ruff: noqa
# tries: to fill the file system with files that nobody sees
# shown without containment: no
# stopped by: namespaces
import os

for number in range(50):
    handle = os.open(f"{number}", os.O_CREAT | os.O_WRONLY)
    os.unlink(f"{number}")
    os.posix_fallocate(handle, 0, 7 << 20)
print("H4RM D0NE")
