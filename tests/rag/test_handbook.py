"""The handbook: its form, and that its code is right."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from importlib.resources.abc import Traversable

import pytest

from hdl_sim.slang import read_source

CHAPTERS = sorted((files("rag") / "handbook").iterdir(), key=lambda chapter: chapter.name)
CODE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def entries() -> list[tuple[str, str]]:
    """Titles and bodies."""
    texts = [chapter.read_text(encoding="utf-8") for chapter in CHAPTERS]
    return [
        (title.strip(), body)
        for text in texts
        for title, _, body in (part.partition("\n") for part in text.split("\n## ")[1:])
    ]


def test_there_are_many_entries_and_each_is_short() -> None:
    found = entries()
    assert len(found) >= 150
    assert {title: n for title, n in Counter(title for title, _ in found).items() if n > 1} == {}
    for title, body in found:
        assert 20 <= len(CODE.sub("", body).split()) <= 130, title
        assert all(len(code.splitlines()) <= 26 for _, code in CODE.findall(body)), title


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_its_code_compiles(chapter: Traversable) -> None:
    text = chapter.read_text(encoding="utf-8")
    blocks = [code for language, code in CODE.findall(text) if language in ("verilog", "systemverilog")]
    found = {code: read_source(code).errors for code in blocks}
    assert {code: errors for code, errors in found.items() if errors} == {}
