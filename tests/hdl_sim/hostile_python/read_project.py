# ruff: noqa
# tries: to read the framework's own settings and code
# shown without containment: yes
for name in ("hdl_sim/sandbox.py", "autovcoder/config.py", "pyproject.toml", "hdl_sim/confine.py"):
    try:
        if open(f"@PROJECT@/{name}").read():
            print("H4RM D0NE")
    except OSError as error:
        print(error)
