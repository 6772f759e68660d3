"""Whether a module of the corpus copies a problem of a benchmark: no model may be trained on what it is measured by.

Reads the problems of benchmarks and the code of modules; writes nothing. Gives `ContaminationMatch` records.

A module is compared with every module of a problem's reference, in the normal form of `hdl_sim.normal_form`. A module's
*body* is its tokens in that form between the ``;`` that ends its header and its ``endmodule``, neither included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from autovcoder.files import read_records
from autovcoder.overlap import ShingleIndex, shingles, word_ngrams, words
from autovcoder.records import ContaminationMatch, Problem
from hdl_sim.normal_form import NormalModule, comments_of, hide_names, loosen, modules_of, number_names

TRIVIAL_BODY = 40
"""A shorter body (in tokens) has few other ways to be written: a code match alone does not make it a copy."""

# Of 10,062 modules that copy nothing of VerilogEval v1 (7,295 from 38 repositories, 2,767 exercises), the nearest came
# to 0.24 (Jaccard) and 0.71 (contained) with names, and to 0.48 and 0.61 without. Of 613 copies with one to three edits
# and all names changed, 600 are above the bounds; with the names kept, all.
NAMED_SHINGLE, NAMED_JACCARD, NAMED_CONTAINED = 5, 0.5, 0.8
HIDDEN_SHINGLE, HIDDEN_JACCARD, HIDDEN_CONTAINED = 8, 0.5, 0.85
HIDDEN_SHARE = 0.3
"""Least Jaccard similarity at which a contained structure counts: a large module contains every small one."""
HIDDEN_LEAST = 20
"""Rows that tell something which a module must have to be known by its structure."""
# What instances are made of once names are hidden, numbers too: alike in all modules that hold nothing else.
_CONNECTIONS = frozenset("n.(),;[]:#{}")

# Brown et al., "Language models are few-shot learners" (2020), appendix C: 13 words in a row, fewer (from 8 on) for
# short texts, and none that more than ten texts share.
TEXT_WORDS, SHORT_TEXT_WORDS, COMMON = 13, 8, 10
SUPPORT = 0.3
"""Share of a problem's rows of 8 words that must be in a module's comments to make a trivial code match a copy."""

Kind = Literal["exact", "renamed", "near", "text", "trivial"]
_ORDER: tuple[Kind, ...] = ("exact", "renamed", "near", "text", "trivial")


def read_problems(files: Iterable[Path]) -> Iterator[Problem]:
    """The problems of several suites.

    Raises:
        InputError: a file cannot be read or holds something else.
    """
    for file in files:
        yield from read_records(file, Problem)


class _Reference(NamedTuple):
    """A module of the references: of which problems (by their places), and whether its body is short."""

    problems: set[int]
    trivial: bool


class _Found(NamedTuple):
    kind: Kind
    similarity: float

    @property
    def rank(self) -> tuple[int, float]:
        """The less, the stronger."""
        return _ORDER.index(self.kind), -self.similarity


class ContaminationIndex:
    """The problems of benchmarks, to be asked for every module of a corpus.

    Takes a few megabytes for a thousand problems, and nothing more for what it is asked. Can be pickled.
    """

    def __init__(self) -> None:
        self._problems: list[tuple[str, str]] = []  # suite and id
        self._texts = _Texts()
        self._references: list[_Reference] = []
        self._exact: dict[tuple[str, ...], int] = {}
        self._renamed: dict[tuple[str, ...], list[int]] = {}
        self._named = ShingleIndex()
        self._hidden = ShingleIndex()

    @classmethod
    def from_problems(cls, problems: Iterable[Problem]) -> ContaminationIndex:
        """An index of problems of one suite or of many; one without a reference is known by its text alone."""
        index = cls()
        for problem in problems:
            place = len(index._problems)
            index._problems.append((problem.suite, problem.id))
            index._texts.add(problem.spec)
            for module in modules_of(problem.reference or ""):
                index._add(module, place)
        index._texts.finish()
        return index

    def __len__(self) -> int:
        """How many problems there are."""
        return len(self._problems)

    def matches(self, code: str, module_id: str = "") -> tuple[ContaminationMatch, ...]:
        """What a module shares with the problems: at most one match for each, those that remove it first, the strongest
        first.

        Args:
            code: its text with the comments that belong to it.
            module_id: goes into the matches.
        """
        told, supported = self._texts.find(code)
        best = {place: _Found("text", share) for place, share in told.items()}
        for module in modules_of(code):
            for reference, found in self._code_matches(module):
                for place in reference.problems:
                    judged = _judge(reference, found, supported=place in supported or place in told)
                    if judged and (place not in best or judged.rank < best[place].rank):
                        best[place] = judged
        order = sorted(best.items(), key=lambda item: (item[1].rank, self._problems[item[0]]))
        return tuple(
            ContaminationMatch(
                module_id=module_id,
                suite=self._problems[place][0],
                problem_id=self._problems[place][1],
                kind=found.kind,
                similarity=found.similarity,
                removes=found.kind != "trivial",
            )
            for place, found in order
        )

    def _add(self, module: NormalModule, place: int) -> None:
        key = self._exact.setdefault(module.tokens, len(self._references))
        if key == len(self._references):
            trivial = len(module.body) < TRIVIAL_BODY
            self._references.append(_Reference(set(), trivial))
            self._renamed.setdefault(number_names(module.tokens), []).append(key)
            named, hidden = _shingles(module)
            self._named.add(named)
            self._hidden.add(frozenset() if trivial else hidden)
        self._references[key].problems.add(place)

    def _code_matches(self, module: NormalModule) -> Iterator[tuple[_Reference, _Found]]:
        exact = self._exact.get(module.tokens)
        if exact is not None:
            yield self._found(exact, "exact", 1.0)
        for key in self._renamed.get(number_names(module.tokens), ()):
            yield self._found(key, "renamed", 1.0)
        named, hidden = _shingles(module)
        for overlap in self._named.find(named, NAMED_JACCARD):
            if overlap.jaccard >= NAMED_JACCARD:
                yield self._found(overlap.key, "near", overlap.jaccard)
            elif overlap.contained >= NAMED_CONTAINED and not self._references[overlap.key].trivial:
                yield self._found(overlap.key, "near", overlap.contained)
        for overlap in self._hidden.find(hidden, HIDDEN_JACCARD):
            if overlap.jaccard >= HIDDEN_JACCARD:
                yield self._found(overlap.key, "near", overlap.jaccard)
            elif overlap.contained >= HIDDEN_CONTAINED and overlap.jaccard >= HIDDEN_SHARE:
                yield self._found(overlap.key, "near", overlap.contained)

    def _found(self, key: int, kind: Kind, similarity: float) -> tuple[_Reference, _Found]:
        return self._references[key], _Found(kind, similarity)


class _Texts:
    """The problems' texts; a problem's key is how many were added before."""

    def __init__(self) -> None:
        self._short: dict[int, str] = {}
        self._strong = ShingleIndex()
        self._weak = ShingleIndex()

    def add(self, text: str) -> None:
        found = words(text)
        if found and len(found) < TEXT_WORDS:
            self._short[len(self._strong)] = f" {' '.join(found)} "
        self._strong.add(word_ngrams(text, TEXT_WORDS))
        self._weak.add(word_ngrams(text, SHORT_TEXT_WORDS))

    def finish(self) -> None:
        self._strong.forget_common(COMMON)
        self._weak.forget_common(COMMON)

    def find(self, code: str) -> tuple[dict[int, float], set[int]]:
        """The problems whose text is in the comments, with the share that is, and those that these support."""
        found = words(" ".join(comments_of(code)))
        if not found:
            return {}, set()
        joined = f" {' '.join(found)} "
        whole = {key: text for key, text in self._short.items() if text in joined}
        told = {key: 1.0 for key, text in whole.items() if len(text.split()) >= SHORT_TEXT_WORDS}
        told |= {overlap.key: overlap.contained for overlap in self._strong.find(shingles(found, TEXT_WORDS))}
        supported = self._weak.find(shingles(found, SHORT_TEXT_WORDS), SUPPORT)
        return told, {*whole, *(overlap.key for overlap in supported)}


def _judge(reference: _Reference, found: _Found, *, supported: bool) -> _Found | None:
    """What a code match is worth: with a short reference, little without the problem's text beside it."""
    if not reference.trivial or supported:
        return found
    return _Found("trivial", found.similarity) if found.kind != "near" else None


def _shingles(module: NormalModule) -> tuple[frozenset[int], frozenset[int]]:
    """Of a module's body, with names and with them hidden.

    Headers are left out: those of different problems are alike, and a copy's ports are soon put in another order. So
    are, with names hidden, the lists of connections.
    """
    body = loosen(module.body)
    plain = _CONNECTIONS | {token for token in set(body) if token[0] in "0123456789'"}
    hidden = shingles(hide_names(body), HIDDEN_SHINGLE, plain)
    return shingles(body, NAMED_SHINGLE), hidden if len(hidden) >= HIDDEN_LEAST else frozenset()
