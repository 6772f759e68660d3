"""Retrieval as the commands use it: a library opened, a leak guard for the suite at hand, a budget for the model.

Reads a library; writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autovcoder.models import TextModel
from autovcoder.overlap import words
from autovcoder.prompt import user_text
from autovcoder.records import Context, Hit, Problem, Sampling, StoreKind
from autovcoder.store import hash_input
from data_pipeline.contamination import ContaminationIndex
from data_pipeline.pair_contamination import in_words, matches_of
from rag.context import ContextSettings, Refuse, Search, build_contexts
from rag.library import KINDS, Library, default_library, open_library
from rag.retrieve import Retriever
from rag.store import STORE

_MODULE = re.compile(r"^[ \t]*module\b.*?\bendmodule\b", re.DOTALL | re.MULTILINE)
_PARAMETRIC = "parametric"
_ANSWER = 512
"""Tokens of the model's context that are kept for an answer."""


@dataclass(frozen=True)
class Retrieval:
    """Finds the context of problems.

    Attributes:
        described: what identifies it, for a run's source.
    """

    described: dict[str, Any]
    find: Callable[[Sequence[Problem], TextModel, Sampling], list[Context]]


def from_library(
    folder: Path | None = None, settings: ContextSettings | None = None, *, suite: Sequence[Problem] = ()
) -> Retrieval:
    """Retrieval from a library, the user's or the packaged one by default.

    Args:
        suite: problems that are measured; what copies one of them, by its words or its code, is not shown.

    Raises:
        StoreError, ModelError: the library or its encoder cannot be used.
    """
    folder, settings = folder or default_library(), settings or ContextSettings()
    library = open_library(folder)
    refuse = leak_guard(suite) if suite else None

    def find(problems: Sequence[Problem], model: TextModel, sampling: Sampling) -> list[Context]:
        asked = [(problem.spec, problem.interface) for problem in problems]
        return contexts_for(asked, model, searches(library), settings, sampling, refuse)

    return Retrieval({"library": identity(library), **settings.model_dump()}, find)


def searches(library: Library) -> dict[StoreKind, Search]:
    """How each store of a library is searched for context."""
    return {kind: Retriever(*library.searched(kind)).search_many for kind in KINDS if library.searched(kind)}


def identity(library: Library) -> dict[str, str]:
    """What tells the stores that are searched from others, for a run's source."""
    stores = [(kind, number, store) for kind in KINDS for number, store in enumerate(library.searched(kind))]
    return {kind + " beside" * number: hash_input(store.folder / STORE) for kind, number, store in stores}


def contexts_for(
    asked: Sequence[tuple[str, str | None]],
    model: TextModel,
    search: Mapping[StoreKind, Search],
    settings: ContextSettings,
    sampling: Sampling,
    refuse: Refuse | None = None,
) -> list[Context]:
    """The context of each (specification, header), as much as the model has room for beside prompt and answer."""
    found = []
    for spec, header in asked:
        budget = settings.budget
        if model.context is not None:
            left = model.context - model.count_tokens(user_text(spec, header)) - min(sampling.max_new_tokens, _ANSWER)
            budget = max(0, min(budget, left))
        found += build_contexts(
            [spec],
            settings.model_copy(update={"budget": budget}),
            model.count_tokens,
            examples=search.get("example"),
            knowledge=search.get("knowledge"),
            refuse=refuse,
        )
    return found


def leak_guard(problems: Sequence[Problem]) -> Refuse:
    """Refuses what copies one of the problems, by the rules by which training data is freed from them, or is as short
    and the same: what may be learned among much else must not be shown with the problem.

    Of the parametric families what is the same is refused, and what is like it is shown: that suite holds out designs,
    not families, whose problems share set phrases and given modules.
    """
    from data_pipeline.parametric import code_key

    index = ContaminationIndex.from_problems(problem for problem in problems if problem.suite != _PARAMETRIC)
    parametric = [problem for problem in problems if problem.suite == _PARAMETRIC]
    designs = {key: problem.id for problem in parametric for key in _own_designs(problem)}
    texts = {f" {' '.join(words(problem.spec))} ": problem.id for problem in parametric}

    def refuse(hit: Hit) -> str | None:
        modules = _MODULE.findall(hit.text)
        for match in matches_of(index, _MODULE.sub("", hit.text), "\n".join(modules), hit.doc_id):
            return in_words(match)
        copied = next((designs[key] for key in map(code_key, modules) if key in designs), None)
        if copied is None and texts:
            told = f" {' '.join(words(hit.text))} "
            copied = next((name for text, name in texts.items() if text in told), None)
        return f"copies {_PARAMETRIC} {copied}" if copied else None

    return refuse


def _own_designs(problem: Problem) -> list[str]:
    """The keys of a reference's modules that the specification does not give."""
    from data_pipeline.parametric import code_key

    given = set(map(code_key, _MODULE.findall(problem.spec)))
    return [key for key in map(code_key, _MODULE.findall(problem.reference or "")) if key not in given]
