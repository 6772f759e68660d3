# ruff: noqa
# tries: to leave a folder that its owner cannot open
# shown without containment: no
import os

os.mkdir("inner")
for path in ("inner", "."):
    try:
        os.chmod(path, 0)
    except OSError as error:
        print(error)
