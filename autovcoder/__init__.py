"""AutoVCoder: language models that write correct Verilog.

`generate_verilog` is `autovcoder.generate.generate_verilog`, imported when it is first asked for.
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "generate_verilog":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # by its name: everything imports this package, and it nothing of its own

    return import_module("autovcoder.generate").generate_verilog
