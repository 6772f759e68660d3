# ruff: noqa
# tries: to fill the file system with files that are each small enough
# shown without containment: no
# ends by: file_limit
import os
import time

for number in range(50):
    try:
        os.posix_fallocate(os.open(f"{number}", os.O_CREAT | os.O_WRONLY), 0, 7 << 20)
    except OSError as error:
        print(error)
time.sleep(50)
print("H4RM D0NE")
