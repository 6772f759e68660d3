"""Every error of ours is one clear line, and one tree."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder import errors
from autovcoder.errors import AutoVCoderError, ConfigError, InputError, ModelError, StoreError, ToolFailed, ToolMissing


def test_the_line_says_what_where_and_what_to_do() -> None:
    assert str(InputError("no such file", where="a.v", fix="check the path")) == "no such file: a.v; check the path"
    assert str(InputError("no such file", where="a.v")) == "no such file: a.v"
    assert str(InputError("the specification is empty", fix="say what to build")) == (
        "the specification is empty; say what to build"
    )


@settings(deadline=None)
@given(st.text(min_size=1), st.text(), st.text())
def test_whatever_a_tool_says_the_message_is_one_line(what: str, where: str, fix: str) -> None:
    assert len(str(ToolFailed(what, where=where, fix=fix)).splitlines()) <= 1


@pytest.mark.parametrize("kind", [InputError, ConfigError, StoreError, ToolMissing, ToolFailed, ModelError])
def test_one_except_clause_catches_all_errors_of_ours(kind: type[AutoVCoderError]) -> None:
    with pytest.raises(AutoVCoderError):
        raise kind("it broke")


def test_no_error_of_ours_is_outside_the_tree() -> None:
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and v.__module__ == errors.__name__]
    assert all(issubclass(kind, AutoVCoderError) for kind in kinds)
    assert issubclass(ConfigError, InputError)


def test_an_error_keeps_its_parts_on_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ToolMissing("no iverilog", where="PATH", fix="apt install iverilog")))  # noqa: S301
    assert isinstance(error, ToolMissing)
    assert (error.what, error.where, error.fix) == ("no iverilog", "PATH", "apt install iverilog")
