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
from autovcoder.models.asking import room_left
from autovcoder.overlap import ShingleIndex, shingles, words
from autovcoder.prompt import user_text
from autovcoder.records import Context, Hit, Problem, Sampling, StoreKind
from autovcoder.store import hash_input
from data_pipeline.contamination import NAMED_CONTAINED, NAMED_SHINGLE, ContaminationIndex
from data_pipeline.pair_contamination import in_words, matches_of
from hdl_sim.normal_form import loosen, modules_of, normal_tokens
from hdl_sim.statement import stated_interface
from rag.context import ContextSettings, Refuse, Search, build_contexts
from rag.library import Library, open_library
from rag.places import KINDS, STORE, default_library
from rag.retrieve import Retriever

# A line of prose may begin with the word: a module has a name, and ports or a `;` behind it.
_SPACE = r"(?:\s|//[^\n]*+|/\*[^*]*+\*++(?:[^/*][^*]*+\*++)*+/)*+"
_HEAD = rf"^[ \t]*module\s{_SPACE}(?:(?:automatic|static)\s+)?(?:\\\S+\s|[\w$]+){_SPACE}(?:[#(;]|import\b)"
_MODULE = re.compile(rf"{_HEAD}.*?\bendmodule\b", re.DOTALL | re.MULTILINE)
_BEGUN = re.compile(rf"{_HEAD}.*", re.DOTALL | re.MULTILINE)
_ENDED = re.compile(r"\A.*?\bendmodule\b", re.DOTALL)
_FENCED = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_PARAGRAPHS = re.compile(r"^[ \t]*(?:```.*)?\n", re.MULTILINE)
_LEAST_PIECE = 20
"""Rows of tokens that a part of a module must have to be known as one."""
_PARAMETRIC = "parametric"


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
    """How each store of a library is searched for context.

    Examples are ranked by their words too: a name that the encoder never read, such as that of a team's own block, is a
    word like others to its vectors, and the most telling of all to the words' index.
    """
    return {
        kind: Retriever(*library.searched(kind), hybrid=kind == "example").search_many
        for kind in KINDS
        if library.searched(kind)
    }


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
    room = [
        room_left(model, user_text(spec, header), stated_interface(spec, header).start, sampling)
        for spec, header in asked
    ]
    return build_contexts(
        [spec for spec, _ in asked],
        settings,
        model.count_tokens,
        examples=search.get("example"),
        knowledge=search.get("knowledge"),
        refuse=refuse,
        room=room,
    )


def leak_guard(problems: Sequence[Problem]) -> Refuse:
    """Refuses what copies one of the problems, by the rules by which training data is freed from them, or is as short
    and the same: what may be learned among much else must not be shown with the problem.

    An entry may be part of a longer text, cut within a module: such a part is compared as a module, and is a copy too
    where nearly all of it is in one reference. So is a piece of code among prose, between blank lines or fences.

    Of the parametric families what is the same is refused, and what is like it is shown: that suite holds out designs,
    not families, whose problems share set phrases and given modules.
    """
    from data_pipeline.parametric import code_key, own_designs

    others = [problem for problem in problems if problem.suite != _PARAMETRIC]
    index, part_of = ContaminationIndex.from_problems(others), _part_guard(others)
    parametric = [problem for problem in problems if problem.suite == _PARAMETRIC]
    designs = {key: problem.id for problem in parametric for key in own_designs(problem)}
    texts = {f" {' '.join(words(problem.spec))} ": problem.id for problem in parametric}

    def refuse(hit: Hit) -> str | None:
        modules, told = _MODULE.findall(hit.text), _MODULE.sub("", hit.text)
        parts = _parts(told)
        for match in matches_of(index, told, "\n".join([*modules, *parts]), hit.doc_id):
            return in_words(match)
        if whole := next(filter(None, map(part_of, [*(parts or [told]), *_blocks(told)])), None):
            return f"copies a part of {whole}"
        copied = next((designs[key] for key in map(code_key, modules) if key in designs), None)
        if copied is None and texts:
            whole_text = f" {' '.join(words(hit.text))} "
            copied = next((name for text, name in texts.items() if text in whole_text), None)
        return f"copies {_PARAMETRIC} {copied}" if copied else None

    return refuse


def _parts(told: str) -> list[str]:
    """Modules of which a text without its whole ones has the end or the beginning alone."""
    return [f"module m;\n{part}" for part in _ENDED.findall(told)] + _BEGUN.findall(_ENDED.sub("", told))


def _blocks(told: str) -> list[str]:
    """What blank lines or fences set apart from the rest of a text."""
    return [*_FENCED.findall(told), *_PARAGRAPHS.split(told)]


def _part_guard(problems: Sequence[Problem]) -> Callable[[str], str | None]:
    """Says of which problem's reference a text is a part, in its own names."""
    index, known = ShingleIndex(), []
    for problem in problems:
        for module in modules_of(problem.reference or ""):
            rows = shingles(loosen(module.body), NAMED_SHINGLE)
            index.add(rows)
            known.append((f"{problem.suite} {problem.id}", len(rows)))

    def part_of(text: str) -> str | None:
        rows = shingles(loosen(normal_tokens(text)), NAMED_SHINGLE)
        if len(rows) < _LEAST_PIECE:
            return None
        # The index tells how much of the reference is in the text; wanted is how much of the text is in the reference.
        shared = ((known[one.key][0], one.contained * known[one.key][1] / len(rows)) for one in index.find(rows))
        return next((name for name, share in shared if share >= NAMED_CONTAINED), None)

    return part_of
