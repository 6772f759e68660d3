"""Settings: defaults, then YAML, then flags; and a mistyped key is never dropped in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from autovcoder.config import Settings, load_settings
from autovcoder.errors import ConfigError


class Lora(Settings):
    rank: int = 8
    alpha: float = 16.0


class Train(Settings):
    steps: int = 100
    model: str = "nano"
    lora: Lora = Lora()
    merge: Lora | None = None
    sft: dict[str, object] = Field(default_factory=dict)


def write(folder: Path, text: str) -> Path:
    path = folder / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_yaml_and_yaml_over_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "steps: 7\nlora:\n  rank: 4\n  alpha: 2\n")
    found = load_settings(Train, path, {"lora": {"rank": 2}, "model": None})
    assert found == Train(steps=7, model="nano", lora=Lora(rank=2, alpha=2.0))


def test_no_file_and_no_flags_give_the_defaults(tmp_path: Path) -> None:
    assert load_settings(Train) == Train()
    assert load_settings(Train, write(tmp_path, "# nothing\n")) == Train()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step: 7\n", "unknown setting: .*train.yaml: step; did you mean 'steps'?"),
        ("lora:\n  rnak: 7\n", "lora.rnak; did you mean 'rank'?"),
        ("merge:\n  rnak: 7\n", "merge.rnak; did you mean 'rank'?"),
        ("sft:\n  a: 1\n  b: 1\n  a: 2\n", "'a' comes twice"),
        ("steps: many\n", "bad setting: .*: steps; .*integer"),
        ("lora: 3\n", "bad setting: .*: lora"),
        ("- steps\n", "must be a mapping"),
        ("7: 1\n", "must be a mapping"),
        ("steps: [1\n", "not valid YAML"),
        ("a: !!python/object:os.system x\n", "not valid YAML"),
        ("steps: 1\nsteps: 2\n", "twice"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(Train, write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 1


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the settings"):
        load_settings(Train, tmp_path / "absent.yaml")
    (tmp_path / "latin1.yaml").write_bytes(b"model: \xff\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_settings(Train, tmp_path / "latin1.yaml")


def test_a_flag_that_is_no_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        load_settings(Train, None, {"stpes": 3})


def test_a_learning_rate_without_a_dot_is_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, "sft:\n  learning_rate: 1e-4\n  name: e4\n  hash: '1e4'\n")
    assert load_settings(Train, path).sft == {"learning_rate": 1e-4, "name": "e4", "hash": "1e4"}


def test_yaml_merge_keys_and_anchors_still_work(tmp_path: Path) -> None:
    path = write(tmp_path, "lora: &small\n  rank: 3\nmerge:\n  <<: *small\n  alpha: 2\n")
    assert load_settings(Train, path).merge == Lora(rank=3, alpha=2.0)


def test_a_free_section_passes_any_key_through(tmp_path: Path) -> None:
    assert load_settings(Train, write(tmp_path, "sft:\n  anything: 1\n")).sft == {"anything": 1}


@settings(deadline=None)
@given(st.integers(0, 10**6), st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_flags_arrive_as_given(steps: int, model: str) -> None:
    assert load_settings(Train, None, {"steps": steps, "model": model}) == Train(steps=steps, model=model)
