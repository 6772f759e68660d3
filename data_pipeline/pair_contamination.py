"""Whether a pair copies a problem of a benchmark, by its code or by its words.

Reads a problem's text and its code; writes nothing. What counts as a copy is for `data_pipeline.contamination` to say.
"""

from __future__ import annotations

from autovcoder.records import ContaminationMatch, Draft
from data_pipeline.contamination import ContaminationIndex


def draft_matches(index: ContaminationIndex, draft: Draft) -> tuple[ContaminationMatch, ...]:
    """What a draft shares with the benchmarks' problems, the strongest first; its id is the matches' ``module_id``."""
    return matches_of(index, draft.problem, draft.code, draft.id)


def matches_of(index: ContaminationIndex, told: str, code: str, module_id: str = "") -> tuple[ContaminationMatch, ...]:
    """What a text and the code beside it share with the benchmarks' problems, the strongest first.

    The index knows a problem's words by the comments of a module, so the text's words are put to it as such.

    Args:
        module_id: goes into the matches.
    """
    comment = "".join(f"// {line}\n" for line in told.splitlines())
    return index.matches(comment + code, module_id)


def removal(matches: tuple[ContaminationMatch, ...]) -> str | None:
    """Why the draft must not be trained on, in words; None when it may."""
    strongest = next((match for match in matches if match.removes), None)
    return in_words(strongest) if strongest else None


def in_words(match: ContaminationMatch) -> str:
    """What is copied, and how."""
    return f"copies {match.suite} {match.problem_id} ({match.kind}, {match.similarity:.2f})"
