"""A lock on a folder that goes with the process which took it, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from autovcoder.errors import StoreError


class FolderLock:
    """Keeps other processes from writing to a folder, from ``take`` to ``release``."""

    def __init__(self, folder: Path, fix: str) -> None:
        self.folder, self._fix = folder, fix
        self._handle: int | None = None

    def take(self) -> None:
        """Take it, without waiting.

        Some network file systems lock no folders; there, as without locks, the user keeps runs apart.

        Raises:
            StoreError: another process has it. OSError: there is no such folder.
        """
        self._handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise StoreError("another run is writing here", where=self.folder, fix=self._fix) from None
        except OSError:
            self.release()

    def release(self) -> None:
        """Let others have it; without effect where it is not taken."""
        if self._handle is not None:
            # Closing alone would leave the lock with a forked child, such as a data loader's worker.
            with contextlib.suppress(OSError):
                fcntl.flock(self._handle, fcntl.LOCK_UN)
            os.close(self._handle)
            self._handle = None
