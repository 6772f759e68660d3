# ruff: noqa
# tries: to be imported in place of Python's own modules
# shown without containment: yes
import json
import random
import sys

print(json.__file__, random.__file__, sys.path)
# --- json.py
print("H4RM D0NE")
# --- random.py
print("H4RM D0NE")
# --- sitecustomize.py
print("H4RM D0NE")
# --- usercustomize.py
print("H4RM D0NE")
# --- ctypes.py
print("H4RM D0NE")
# --- site.py
print("H4RM D0NE")
# --- pyvenv.cfg
# home = .
