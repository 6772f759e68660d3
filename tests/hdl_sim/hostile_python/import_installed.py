# ruff: noqa
# tries: to use what is installed beside the framework
# shown without containment: yes
import sys

sys.path += ["@PACKAGES@", "@PROJECT@"]
for name in ("hdl_sim.sandbox", "autovcoder.errors", "pydantic", "typer"):
    try:
        __import__(name)
    except ImportError as error:
        print(error)
    else:
        print("H4RM D0NE")
