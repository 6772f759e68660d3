"""Whether a pair copies a problem of a benchmark, by its code or by its words.

Reads a problem's text and its code; writes nothing. What counts as a copy is for `data_pipeline.contamination` to say.
"""

from __future__ import annotations

from autovcoder.records import ContaminationMatch, Draft
from data_pipeline.contamination import ContaminationIndex


def draft_matches(index: ContaminationIndex, draft: Draft) -> tuple[ContaminationMatch, ...]:
    """What a draft shares with the benchmarks' problems, the strongest first; its id is the matches' ``module_id``.

    The index knows a problem's words by the comments of a module, so the draft's words are put to it as such.
    """
    comment = "".join(f"// {line}\n" for line in draft.problem.splitlines())
    return index.matches(comment + draft.code, draft.id)


def removal(matches: tuple[ContaminationMatch, ...]) -> str | None:
    """Why the draft must not be trained on, in words; None when it may."""
    strongest = next((match for match in matches if match.removes), None)
    if strongest is None:
        return None
    return f"copies {strongest.suite} {strongest.problem_id} ({strongest.kind}, {strongest.similarity:.2f})"
