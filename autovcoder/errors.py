"""One tree of errors, so that the command line can turn any failure of ours into one clear line.

    AutoVCoderError
    ├── InputError      what the user gave: a spec, a file, a flag
    │   └── ConfigError a YAML file or a flag that a command's settings do not know
    ├── StoreError      a stage folder that is missing, damaged, or made with other settings
    ├── ToolMissing     a program or package that the work needs and this machine lacks
    ├── ToolFailed      such a program broke in a way that says nothing about the candidate
    └── ModelError      a language model that cannot be loaded, reached or used
        └── ContextTooLong  a prompt that the model cannot even read

None of these is ever a verdict on a candidate: a verdict says what a design did, an error says that we could not
find out.
"""

from __future__ import annotations

import functools
from typing import Any


class AutoVCoderError(Exception):
    """A failure with three parts: what happened, where, and what to do next.

    Args:
        what: the failure in a few words, without a full stop.
        where: the file, address or value it concerns; may be empty.
        fix: what the user can do about it; may be empty.
    """

    def __init__(self, what: str, *, where: object = "", fix: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.fix = fix
        super().__init__(what, self.where, fix)

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled by its positional arguments; ours are mostly given by name.
        return functools.partial(type(self), where=self.where, fix=self.fix), (self.what,)

    def __str__(self) -> str:
        line = f"{self.what}: {self.where}" if self.where else self.what
        line = f"{line}; {self.fix}" if self.fix else line
        # A message is one line whatever a tool or a path put into it.
        return " ".join(line.split())


class InputError(AutoVCoderError):
    """The user's own input cannot be used."""


class ConfigError(InputError):
    """A setting is unknown or has the wrong type."""


class StoreError(AutoVCoderError):
    """A stage folder is missing, damaged, or was made with other settings."""


class ToolMissing(AutoVCoderError):
    """A program or package is not installed."""


class ToolFailed(AutoVCoderError):
    """A program broke in a way that says nothing about the candidate it was given."""


class ModelError(AutoVCoderError):
    """A language model cannot be loaded, reached or used."""


class ContextTooLong(ModelError):
    """A prompt is longer than the model's context."""
