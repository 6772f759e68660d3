"""Where libraries are, and whether one is there: cheap to ask, without what it takes to search one.

Reads the environment; writes nothing.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import get_args

from autovcoder.records import StoreKind

STORE = "store.json"
"""The file that makes a folder a store."""
KINDS: tuple[StoreKind, ...] = get_args(StoreKind)


def packaged_library() -> Path:
    """The folder of the library inside the package."""
    return Path(str(files("rag") / "library"))


def user_library() -> Path:
    """Where a user's library is unless another folder is named: ``AUTOVCODER_LIBRARY``, else the XDG data folder."""
    named = os.environ.get("AUTOVCODER_LIBRARY")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(named).expanduser() if named else Path(data).expanduser() / "autovcoder" / "library"


def default_library() -> Path:
    """The user's library where there is one, else the packaged one."""
    mine = user_library()
    return mine if is_library(mine) else packaged_library()


def is_own(folder: Path) -> bool:
    """Whether a folder is the place of the user's own library."""
    mine = user_library().resolve()
    return folder.resolve() == mine and mine != packaged_library().resolve()


def is_library(folder: Path) -> bool:
    """Whether a folder has at least one store."""
    return any((folder / kind / STORE).is_file() for kind in KINDS)


def has_own_library() -> bool:
    """Whether the user has a library of their own: what they put into it is meant to be used."""
    mine = user_library()
    return is_own(mine) and is_library(mine)
