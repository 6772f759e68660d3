"""What a retriever learns from: a query, an entry that helps with it, and entries that do not.

Reads solved problems, the handbook and what mining found; writes nothing. Three sources: two problems of one family
help each other; a title is answered by its entry; and, as in the paper, an entry helps where a model's answers are
better with it than without.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autovcoder.records import Entry, Record
from rag.word_index import WordIndex

Rank = Callable[[Sequence[str], Sequence[str], int], NDArray[np.int64]]
"""For each query the places of its ``k`` nearest texts; -1 where there are no more."""
Source = Literal["topic", "title", "mined"]
_DEEP = 64


class Tried(Record):
    """An entry that was put before a problem, and the mean F of the answers then."""

    entry: Entry
    score: float


class Mined(Record):
    """What entries did for a problem: ``without`` is the mean F without any, see `rag.mine`."""

    problem_id: str
    query: str
    topic: str = ""
    without: float
    tried: tuple[Tried, ...]

    def better(self) -> list[Entry]:
        """Those that helped."""
        return [one.entry for one in self.tried if one.score > self.without]

    def worse(self) -> list[Entry]:
        """Those that did harm."""
        return [one.entry for one in self.tried if one.score < self.without]


class Group(NamedTuple):
    """A query, the text that is to be nearest to it, and texts that are to be farther away.

    In a batch the texts of all other groups count as negatives too, which those of a query's own topic must not.

    Attributes:
        topic: of the query. ``topics``: of the positive and of each negative.
    """

    query: str
    positive: str
    negatives: tuple[str, ...]
    topic: str
    topics: tuple[str, ...]
    source: Source


def topic_groups(entries: Sequence[Entry], size: int, seed: int, rank: Rank | None = None) -> list[Group]:
    """For each solved problem another of its topic, and problems of other topics that seem near.

    Args:
        size: texts of a group besides the query: one positive, the others negatives.
        rank: finds what seems near; BM25 when not given.
    """
    by_topic: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_topic[entry.topic].append(entry)
    keys = [entry.key for entry in entries]
    near = (rank or by_words)(keys, keys, _DEEP)
    groups = []
    for entry, places in zip(entries, near, strict=True):
        rng = random.Random(f"group {seed} {entry.id}")
        others = [other for other in by_topic[entry.topic] if other.text != entry.text and other.key != entry.key]
        if not others:
            continue
        seeming = [entries[place] for place in places if place >= 0 and entries[place].topic != entry.topic]
        negatives = _filled(seeming, entries, entry.topic, size - 1, rng)
        positive = rng.choice(others).key
        if negatives:
            topics = (entry.topic, *(one.topic for one in negatives))
            groups.append(Group(entry.key, positive, _keys(negatives), entry.topic, topics, "topic"))
    return groups


def title_groups(entries: Sequence[Entry], size: int, seed: int) -> list[Group]:
    """For each piece of knowledge its title as the query, and other pieces that share words with it."""
    keys = [entry.key for entry in entries]
    near = by_words([entry.title for entry in entries], keys, _DEEP)
    groups = []
    for number, (entry, places) in enumerate(zip(entries, near, strict=True)):
        rng = random.Random(f"title {seed} {entry.id}")
        body = entry.key.removeprefix(entry.title).strip()
        seeming = [entries[place] for place in places if place not in (-1, number)]
        negatives = _filled(seeming, entries, "", size - 1, rng, but=entry)
        if negatives:
            topics = (entry.id, *(one.id for one in negatives))
            groups.append(Group(entry.title, body, _keys(negatives), entry.id, topics, "title"))
    return groups


def mined_groups(mined: Iterable[Mined], size: int, seed: int) -> list[Group]:
    """For each entry that helped with a problem a group with entries that did harm to it; ties say nothing.

    A problem without one that did harm takes, as the paper's batches do, what did harm to others.
    """
    rows = list(mined)
    everywhere = [entry for row in rows for entry in row.worse()]
    groups = []
    for row in rows:
        rng = random.Random(f"mined {seed} {row.problem_id}")
        good = {entry.key: entry for entry in row.better()}
        others = [entry for entry in everywhere if entry.key not in good]
        for key, entry in sorted(good.items()) if others else ():
            negatives = row.worse()[: size - 1]
            negatives += [rng.choice(others) for _ in range(size - 1 - len(negatives))]
            topics = tuple(map(_topic, (entry, *negatives)))
            groups.append(Group(row.query, key, _keys(negatives), row.topic or row.problem_id, topics, "mined"))
    return groups


def batches(groups: Sequence[Group], size: int, seed: int) -> list[list[int]]:
    """The places of groups, in batches in which no topic comes twice; what fills no batch is left out.

    The commonest topics are drawn from first, so that they do not stay behind.
    """
    rng = random.Random(f"batches {seed}")
    waiting: dict[str, list[int]] = defaultdict(list)
    for place in rng.sample(range(len(groups)), len(groups)):
        waiting[groups[place].topic].append(place)
    made = []
    while len(waiting) >= size:
        topics = rng.sample(sorted(waiting), len(waiting))
        topics.sort(key=lambda topic: -len(waiting[topic]))
        batch = []
        for topic in topics[:size]:
            batch.append(waiting[topic].pop())
            if not waiting[topic]:
                del waiting[topic]
        made.append(batch)
    return rng.sample(made, len(made))


def by_words(queries: Sequence[str], texts: Sequence[str], k: int) -> NDArray[np.int64]:
    """A `Rank`: BM25."""
    return WordIndex.of(texts).search(queries, min(k, len(texts)))


def _filled(
    seeming: Sequence[Entry],
    entries: Sequence[Entry],
    topic: str,
    count: int,
    rng: random.Random,
    but: Entry | None = None,
) -> list[Entry]:
    """Half of what seems near, half chance: nothing but the hardest would be mostly mistakes of the labels."""
    chosen: dict[str, Entry] = {}
    for entry in seeming:
        if len(chosen) < (count + 1) // 2:
            chosen.setdefault(entry.key, entry)
    for _ in range(20 * count):
        if len(chosen) == count:
            break
        other = rng.choice(entries)
        if other is not but and (not topic or other.topic != topic) and other.key not in chosen:
            chosen[other.key] = other
    return list(chosen.values())


def _keys(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(entry.key for entry in entries)


def _topic(entry: Entry) -> str:
    """A text's topic as the other two sources name it: the family of an example, and of knowledge the piece itself."""
    return (entry.topic if entry.store == "example" else "") or entry.id
