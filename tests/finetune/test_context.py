"""Context in round-2 prompts: who gets it, and that it never gives the answer away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from finetune.context import SampledContext, Solved, with_context
from finetune.corpus import read_pairs


def solved(topics: Sequence[int]) -> list[Solved]:
    return [Solved(f"id{n}", f"topic{t}", f"problem <{n}>", f"module m{n}_; // {t}") for n, t in enumerate(topics)]


PAIRS = solved([n % 10 for n in range(400)])


def references(text: str) -> list[str]:
    return text.split("\n\nProblem:\n")[0].split("Reference:\n")[1:] if "Problem:\n" in text else []


def test_without_a_share_every_prompt_is_the_problem_alone() -> None:
    assert list(with_context(PAIRS, SampledContext(), 0)) == [pair.problem for pair in PAIRS]


def test_the_share_of_prompts_with_context_and_of_references_on_the_topic_are_as_set() -> None:
    texts = list(with_context(PAIRS, SampledContext(share=0.5, alike=0.7), 0))
    given_ = [(pair, references(text)) for pair, text in zip(PAIRS, texts, strict=True)]
    assert 170 < sum(bool(found) for _, found in given_) < 230
    alike = [f"// {pair.topic.removeprefix('topic')}\n" in f"{text}\n" for pair, found in given_ for text in found]
    assert 0.65 < sum(alike) / len(alike) < 0.82  # the others are drawn from all, this topic among them
    assert {len(found) for _, found in given_} == {0, 1, 2}


def test_a_topic_that_cannot_be_known_otherwise_always_has_a_reference_of_its_own() -> None:
    pairs = solved([100 + n // 3 for n in range(600)])  # three on each topic, as few as there are in practice
    needed = SampledContext(share=0.5, alike=0, needed=("topic1",))  # half of the topics
    places: set[int] = set()
    others: list[str] = []
    for pair, text in zip(pairs, with_context(pairs, needed, 0), strict=True):
        found = references(text)
        if not pair.topic.startswith(needed.needed):
            continue
        own = [f"// {pair.topic.removeprefix('topic')}\n" in f"{text}\n" for text in found]
        assert any(own)
        places.update(place for place, is_own in enumerate(own) if is_own)
        others += [text for text, is_own in zip(found, own, strict=True) if not is_own]
    assert places == {0, 1}  # it does not always stand first
    assert 0.6 < sum("// 1" in text for text in others) / len(others) < 0.95


def test_round_2_shows_what_is_needed_though_it_shares_nothing_else(tmp_path: Path) -> None:
    rows = [{"draft": {"id": p.id, "topic": p.topic, "problem": p.problem, "code": p.code}} for p in PAIRS[:60]]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = list(read_pairs(tmp_path, SampledContext(needed=("topic3",)), 0))
    shown = [bool(references(str(row["problem"]))) for row in read]
    assert shown == [pair.topic == "topic3" for pair in PAIRS[:60]]


@given(
    topics=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    settings=st.builds(
        SampledContext,
        share=st.floats(0, 1),
        alike=st.floats(0, 1),
        most=st.integers(1, 4),
        longest=st.integers(1, 200),
    ),
    seed=st.integers(0, 5),
)
def test_no_reference_has_the_answer_nor_stands_twice_nor_exceeds_the_length(
    topics: list[int], settings: SampledContext, seed: int
) -> None:
    pairs = solved(topics)
    texts = list(with_context(pairs, settings, seed))
    assert texts == list(with_context(pairs, settings, seed))
    for pair, text in zip(pairs, texts, strict=True):
        found = references(text)
        assert len(found) <= settings.most
        assert len(set(found)) == len(found)
        assert sum(len(reference.strip()) for reference in found) <= settings.longest
        assert text.endswith(pair.problem)
        assert pair.code not in text
