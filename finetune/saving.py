"""A full disk while a library saves a model is one clear line.

Reads nothing; writes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autovcoder.errors import AutoVCoderError, StoreError


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Around calls that only write below ``folder``.

    Raises:
        StoreError: whatever else they raise. For one and the same full disk, safetensors, tokenizers and torch have an
            error each, and that of tokenizers is of no class of its own.
    """
    try:
        yield
    except AutoVCoderError:
        raise
    except Exception as error:
        said = getattr(error, "strerror", None) or next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise StoreError("cannot write", where=folder, fix=said) from None
