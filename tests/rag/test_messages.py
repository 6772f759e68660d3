"""The handbook's entry for what a compiler said."""

from __future__ import annotations

import time

import pytest

from rag.messages import entry_for


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("cannot assign to a net within a procedural context", "reg"),
        ("y Unable to assign to unresolved wires.", "wire"),
        ("'total_count' has already been declared in this scope.", "declar"),
        ("use of undeclared identifier 'my_index'", "declar"),
        ("This assignment requires an explicit cast.", "enum"),
    ],
)
def test_a_message_finds_its_entry_whatever_the_names(message: str, word: str) -> None:
    entry = entry_for(message)
    assert entry is not None
    assert word in entry.text


def test_what_no_entry_shows_finds_none_and_in_time() -> None:
    started = time.process_time()
    assert entry_for("the moon is made of cheese") is None
    assert entry_for("[" * 200_000) is None
    assert time.process_time() - started < 1.0
