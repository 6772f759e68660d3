"""The lexer, and the search that passes over tokens without making them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hdl_sim.spans import module_spans
from hdl_sim.tokens import Token, tokens, word_finder

KEYWORDS = ("module", "macromodule", "endmodule")
PIECES = [
    *KEYWORDS, "module m(", "endmodule : m", "modules", "x", "_", "3", "é", "'b1", "4'hf", ".", "?", "$", "$x", "`",
    "`x", "\\", "\\esc ", '"', '\\"', "/", "//", "/*", "*/", "*", "(", ")", ";", ":", "#", " ", "\n", "\t", "\x00",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=30).map("".join)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("module", "word"), ("a$1", "word"), ("\\a+b ", "escaped"), ("`define", "directive"), ("$clog2", "system"),
        ("4'hff", "number"), ('"a//b"', "string"), ("'", "symbol"), ("/", "symbol"), ("é", "symbol"),
    ],
)  # fmt: skip
def test_a_token_has_its_kind(text: str, kind: str) -> None:
    assert next(tokens(text)).kind == kind


@given(text=TEXTS)
@example("4'hff 3.module x.module")
def test_tokens_lie_one_behind_the_other_and_leave_out_space_and_comments_alone(text: str) -> None:
    end = 0
    for token in tokens(text):
        between = text[end : token.start]
        assert not between.strip() or "/*" in between or "//" in between or not between.isascii()
        assert token.text == text[token.start : token.end] != ""
        end = token.end


def found_by(text: str, words: tuple[str, ...]) -> list[tuple[str, int]]:
    find, found, at = word_finder(words), [], 0
    while match := find(text, at):
        found.append((match["word"], match.start("word")))
        at = match.end()
    return found


@given(text=TEXTS)
@example("$1.module// module")
@example("module/*module*/module")
def test_the_search_finds_the_words_that_are_tokens(text: str) -> None:
    wanted = [(token.text, token.start) for token in tokens(text) if is_keyword(token)]
    assert found_by(text, KEYWORDS) == wanted


def is_keyword(token: Token) -> bool:
    return token.kind == "word" and token.text in KEYWORDS


def test_a_word_that_begins_with_another_is_found_whole() -> None:
    assert found_by("casex case", ("case", "casex")) == [("casex", 0), ("case", 6)]


@given(text=TEXTS)
def test_modules_lie_one_behind_the_other(text: str) -> None:
    end = 0
    for span in module_spans(text):
        assert end <= span.start < span.end <= len(text)
        assert text[span.start :].startswith(("module", "macromodule"))
        assert span.closed == ("endmodule" in text[span.start : span.end].rsplit(";", 1)[-1]) or not span.closed
        assert span.header_end is None or span.start < span.header_end <= span.end
        end = span.end
