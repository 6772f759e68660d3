"""The taxonomy: how much is in it, and that a mistake in one is one clear line."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from autovcoder.errors import ConfigError
from data_pipeline.taxonomy import CIRCUIT_TYPES, LEVELS, load_topics

BUILTIN = Path(__file__).parents[2] / "eval/builtin"
_FILLING = {"a", "and", "code", "controller", "of", "simple", "unit", "with"}


def words(name: str) -> frozenset[str]:
    """What a name says, whatever its order, case, hyphens and the size at its end."""
    return frozenset(re.findall(r"[a-z]+[0-9]*[a-z]+|[a-z]", name.lower())) - _FILLING


def test_there_are_hundreds_of_topics_of_every_kind_and_level() -> None:
    topics = load_topics()
    assert len(topics) >= 430
    pairs = Counter((kind, level) for topic in topics for kind in topic.circuit_types for level in topic.levels)
    assert set(pairs) == {(kind, level) for kind in CIRCUIT_TYPES for level in LEVELS}
    assert min(pairs.values()) >= 40
    assert len({topic.group for topic in topics}) >= 19


def test_no_topic_is_a_problem_of_the_suite_that_comes_with_the_package() -> None:
    problems = {words(folder.name): folder.name for folder in BUILTIN.iterdir() if (folder / "problem.yaml").exists()}
    assert len(problems) >= 50
    assert words("Restoring divider") == words("restoring_divider8")
    assert {topic.name: problems[words(topic.name)] for topic in load_topics() if words(topic.name) in problems} == {}


def test_a_taxonomy_of_ones_own_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text("groups:\n  ours:\n    two things: hard sequential easy\n    an adder: combinational medium\n")
    one, two = load_topics(path)
    assert (one.name, one.group, one.circuit_types, one.levels) == (
        "two things",
        "ours",
        ("sequential",),
        ("easy", "hard"),
    )
    assert two.name == "an adder"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("groups: {ours: {counter: sequential}}", "a circuit type and a level"),
        ("groups: {ours: {counter: easy}}", "a circuit type and a level"),
        ("groups: {ours: {counter: easy sequential asynchronous}}", "a circuit type and a level"),
        ("groups: {ours: {counter: 3}}", "a circuit type and a level"),
        ("groups: {ours: {a counter: easy sequential}, more: {A  Counter: easy sequential}}", "comes twice"),
        ("groups: {ours: {a counter: easy sequential, a counter: easy sequential}}", "comes twice"),
        ("groups: {ours: {}}", "at least 1"),
        ("groups: {}", "at least 1"),
        ("group: {}", "did you mean 'groups'"),
        ('groups: {ours: {"a\\nb c": easy sequential}}', "pattern"),
        ("- a", "must be a mapping"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        load_topics(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
