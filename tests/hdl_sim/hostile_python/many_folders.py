# ruff: noqa
# tries: to leave more folders than can be removed in a while
# shown without containment: no
# ends by: file_limit
import os
import time

for number in range(10_500):
    os.mkdir(f"{number}")
time.sleep(50)
print("H4RM D0NE")
