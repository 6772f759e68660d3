"""What a teacher may be asked for: several hundred topics of digital design, each with what makes sense for it.

Reads ``taxonomy.yaml`` beside this file, or a user's file of the same form; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from autovcoder.config import Settings, load_settings
from autovcoder.records import CircuitType, Level

TAXONOMY = Path(__file__).with_name("taxonomy.yaml")
LEVELS: tuple[Level, ...] = get_args(Level)
CIRCUIT_TYPES: tuple[CircuitType, ...] = get_args(CircuitType)

_Name = Annotated[str, StringConstraints(min_length=3, max_length=120, pattern=r"^\S[^\x00-\x1f\x7f]*\S$")]


@dataclass(frozen=True)
class Topic:
    """A topic, with the circuit types and levels (neither empty) that make sense for it."""

    name: str
    group: str
    circuit_types: tuple[CircuitType, ...]
    levels: tuple[Level, ...]


class _Scope(Settings):
    """What stands behind a topic: ``combinational sequential medium hard``, in any order."""

    circuit_types: Annotated[tuple[CircuitType, ...], Field(min_length=1)]
    levels: Annotated[tuple[Level, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        known = (*CIRCUIT_TYPES, *LEVELS)
        words = value.split() if isinstance(value, str) else []
        types, levels = [t for t in CIRCUIT_TYPES if t in words], [level for level in LEVELS if level in words]
        if not types or not levels or not all(word in known for word in words):
            raise ValueError(f"write a circuit type and a level, of: {', '.join(known)}")
        return {"circuit_types": types, "levels": levels}


class _Taxonomy(Settings):
    """Group to topic to scope."""

    groups: Annotated[
        dict[_Name, Annotated[dict[_Name, _Scope], Field(min_length=1)]],
        Field(min_length=1),
    ]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen: set[str] = set()
        for topics in self.groups.values():
            for name in topics:
                key = " ".join(name.lower().split())
                if key in seen:
                    raise ValueError(f"the topic '{name}' comes twice")
                seen.add(key)
        return self


def load_topics(path: Path = TAXONOMY) -> tuple[Topic, ...]:
    """The topics of a taxonomy file, in its order.

    Raises:
        ConfigError: the file cannot be read, names a topic twice, or gives one no circuit type or level.
    """
    groups = load_settings(_Taxonomy, path).groups
    return tuple(
        Topic(name, group, scope.circuit_types, scope.levels)
        for group, topics in groups.items()
        for name, scope in topics.items()
    )
