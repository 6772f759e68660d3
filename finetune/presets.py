"""Settings that are known for a model: its id, and the sections of both rounds; and for several GPUs.

Reads ``finetune/presets/*.yaml``, each a mapping with the keys of `Preset`, and names ``finetune/accelerate/*.yaml``;
writes nothing. A command's own settings file wins over the preset, its flags over both.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from autovcoder.config import Settings, load_settings, merged
from autovcoder.errors import ConfigError
from finetune.round_settings import RoundSettings

_ROWS = "per_device_train_batch_size"


class Preset(Settings):
    """What is known for a model.

    Attributes:
        model: a Hugging Face id, or a packaged model's name.
        round1, round2: settings of `RoundSettings`.
    """

    model: str
    round1: dict[str, Any] = Field(default_factory=dict)
    round2: dict[str, Any] = Field(default_factory=dict)


def _find(folder: str, name: str, what: str) -> Path:
    """A file that comes with the package; a mistyped name is told the nearest."""
    known = {path.stem: path for path in sorted((Path(str(files("finetune"))) / folder).glob("*.yaml"))}
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.0)[0]
        raise ConfigError(f"no such {what}", where=name, fix=f"did you mean '{near}'? known: {', '.join(known)}")
    return known[name]


def preset_names() -> list[str]:
    return sorted(path.stem for path in (Path(str(files("finetune"))) / "presets").glob("*.yaml"))


def launch_file(name: str) -> Path:
    """The file called ``name`` for ``accelerate launch --config_file``.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    return _find("accelerate", name, "launch configuration")


def load_preset(name: str) -> Preset:
    """The preset called ``name``.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    return load_settings(Preset, _find("presets", name, "preset"))


def round_settings(
    section: Mapping[str, Any], config: Path | None = None, flags: Mapping[str, Any] | None = None
) -> RoundSettings:
    """A round's settings from defaults, then a preset's ``section``, then the YAML file, then the flags.

    Raises:
        ConfigError: the file cannot be read, or has an unknown key or a value of the wrong type.
    """
    given = load_settings(RoundSettings, config, flags)
    return RoundSettings.model_validate(over_preset(section, given.model_dump(exclude_unset=True)))


def over_preset(section: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's section of a round with one's own settings over it."""
    base = dict(section)
    # A batch is of so many rows or of so many tokens: whoever sets one means not the preset's other.
    if own.get("tokens_per_batch"):
        base["sft"] = {key: value for key, value in base.get("sft", {}).items() if key != _ROWS}
    elif _ROWS in own.get("sft", {}):
        base.pop("tokens_per_batch", None)
    return merged(base, own)
