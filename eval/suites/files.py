"""What the loaders of all benchmarks need: a file that may lie in one of several places, and its text or rows.

Reads the user's copies of benchmarks; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.files import read_jsonl

# A testbench's vectors can be long; beyond this a file is something else.
MAX_FILE_BYTES = 32 << 20


def find_file(name: str, *folders: Path) -> Path:
    """``name`` in the first of the folders that has it, gzipped or not.

    Raises:
        InputError: none has it.
    """
    for folder in folders:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise InputError("a file of the suite is missing", where=folders[0], fix=f"expected {name} or {name}.gz in it")


def read_text(path: Path) -> str:
    """A file's text, its line ends as they are.

    Raises:
        InputError: it is missing, too large, or not UTF-8.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"a file of the suite is larger than {MAX_FILE_BYTES >> 20} MiB", where=path)
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError("cannot read a file of the suite", where=path, fix=error.strerror or "") from None
    except UnicodeDecodeError as error:
        raise InputError("a file of the suite is not UTF-8 text", where=path, fix=str(error)) from None


def text_rows(path: Path, *keys: str) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, each with these keys as text; others are passed over.

    Raises:
        InputError: the file cannot be read, or a row lacks a key.
    """
    for number, row in enumerate(read_jsonl(path), start=1):
        for key in keys:
            if not isinstance(row.get(key), str):
                raise InputError(f"expected a text under '{key}'", where=f"{path}, row {number}")
        yield row
