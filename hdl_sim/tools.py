"""Where the outside programs are, which versions they have, and what to install when one is missing.

Reads PATH and asks each program for its version, once; writes nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from autovcoder.errors import ToolMissing

# Program: (Debian/Ubuntu package, Homebrew formula, arguments that print the version).
_PACKAGES = {
    "iverilog": ("iverilog", "icarus-verilog", ("-V",)),
    "vvp": ("iverilog", "icarus-verilog", ("-V",)),
    "yosys": ("yosys", "yosys", ("-V",)),
}
_VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


def find_tool(name: str) -> Path:
    """The full path of a program on PATH.

    Raises:
        ToolMissing: it is not there; the message says what to install.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is not on PATH", fix=install_hint(name))
    return Path(found).resolve()


def install_hint(name: str) -> str:
    """What to install to get a program, in the words of Debian/Ubuntu and of macOS."""
    if name not in _PACKAGES:
        return f"install {name}"
    apt, brew, _ = _PACKAGES[name]
    return f"install it: 'apt install {apt}' (Debian, Ubuntu) or 'brew install {brew}' (macOS)"


def tool_version(name: str) -> str | None:
    """The version of a program, such as ``11.0``; None when it is not on PATH or does not say."""
    found = shutil.which(name)
    return _ask_version(found, name) if found else None


@lru_cache(maxsize=32)
def _ask_version(path: str, name: str) -> str | None:
    arguments = _PACKAGES[name][2] if name in _PACKAGES else ("--version",)
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # iverilog -V prints a page, its own version first; the parts' versions go to the same place.
    match = _VERSION.search(done.stdout or done.stderr)
    return match.group() if match else None
