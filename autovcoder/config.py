"""One YAML file per command, flags win, and a key nobody reads is an error that names the nearest known one.

Reads a YAML file; writes nothing. The settings of a command are a pydantic model with defaults.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from autovcoder.errors import ConfigError


class Settings(BaseModel):
    """The base of every command's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], path: Path | None = None, flags: Mapping[str, Any] | None = None) -> S:
    """Settings from defaults, then the YAML file, then the flags; a flag that is None was not given.

    Raises:
        ConfigError: the file cannot be read, is not a mapping, or has an unknown key or a value of the wrong type.
    """
    values = _read_yaml(path) if path is not None else {}
    values = merged(values, {k: v for k, v in (flags or {}).items() if v is not None})
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _as_config_error(error, kind, path) from None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over`` in it, section by section."""
    both = dict(base)
    for key, value in over.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


class _Loader(yaml.SafeLoader):
    """YAML without two of its traps: a key given twice is an error, and ``1e-4`` is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


# YAML 1.1 wants a dot in a float; without one the learning rate of a free section would arrive as text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (it is a SafeLoader)
    except OSError as error:
        raise ConfigError("cannot read the settings", where=path, fix=error.strerror or "") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("the settings are not valid YAML", where=path, fix=str(error)) from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(
            "the settings must be a mapping of names to values", where=path, fix="write one 'key: value' a line"
        )
    return values


def _as_config_error(error: ValidationError, kind: type[Settings], path: Path | None) -> ConfigError:
    # A required key that is missing is often one that is misspelt.
    first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
    dotted = ".".join(str(part) for part in first["loc"])
    where = f"{path}: {dotted}" if path else dotted
    if first["type"] == "extra_forbidden":
        known = _known_keys(kind, first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.0)
        fix = f"did you mean '{near[0]}'? known: {', '.join(known)}" if near else "this section takes no keys"
        return ConfigError("unknown setting", where=where, fix=fix)
    return ConfigError("bad setting", where=where, fix=first["msg"])


def _known_keys(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the (possibly nested) section at ``loc``."""
    for part in loc:
        field = kind.model_fields.get(str(part))
        annotation = field.annotation if field else None
        # A section may be optional: `Lora | None`.
        choices = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not choices:
            return []
        kind = choices[0]
    return sorted(kind.model_fields)
