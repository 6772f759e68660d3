"""A model's raw answers as Sample records: fresh from a model, or recorded earlier by any tool.

Reads JSONL rows ``task_id`` (or ``problem_id``), ``completion`` and optionally ``index``; writes nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autovcoder.errors import InputError
from autovcoder.files import read_jsonl
from autovcoder.prompt import user_text
from autovcoder.records import Context, Problem, Sample, Sampling
from hdl_sim.extract import extract_code
from hdl_sim.statement import Stated, stated_interface


def prompt_of(problem: Problem, context: Context | None = None) -> str:
    """What every model is asked: retrieved context, the specification, then the header that fixes the interface."""
    return user_text(problem.spec, problem.interface, context=context.texts if context else ())


def stated_by(problem: Problem) -> Stated:
    """What the problem states of the interface; its ``start`` opens the answer of a model that answers with code."""
    return stated_interface(problem.spec, problem.interface)


def to_sample(
    problem: Problem, index: int, raw: str, *, model: str, sampling: Sampling, context: Context | None = None
) -> Sample:
    """One answer with the Verilog found in it; an answer that is only a body gets the problem's header."""
    # A server's JSON can hold half of a surrogate pair, which no file can.
    raw = raw.encode(errors="replace").decode()
    return Sample(
        problem_id=problem.id,
        index=index,
        prompt_sha256=hashlib.sha256(prompt_of(problem, context).encode()).hexdigest(),
        context_ids=context.ids if context else (),
        raw=raw,
        code=extract_code(raw, header=problem.interface),
        model=model,
        sampling=sampling,
    )


def read_answers(path: Path, problems: Sequence[Problem], *, known: set[str], n: int | None = None) -> list[Sample]:
    """Recorded answers to ``problems``, in the order of the file.

    How they were sampled and prompted is not recorded, so ``prompt_sha256`` is empty and ``sampling`` holds no more
    than how many there are.

    Args:
        path: JSONL, gzipped when its name ends in ``.gz``. Answers without an ``index`` are counted in order.
        problems: what is asked, a suite or a part of it.
        known: every problem id of the suite; answers to known problems outside ``problems`` are passed over.
        n: keep the first ``n`` of each problem (by index); None keeps all.

    Raises:
        InputError: the file cannot be read, a row lacks its keys, names a problem the suite lacks, or comes twice.
    """
    asked = {problem.id: problem for problem in problems}
    seen: set[tuple[str, int]] = set()
    counted: Counter[str] = Counter()
    found: list[tuple[Problem, int, str]] = []
    for number, row in enumerate(read_jsonl(path), start=1):
        where = f"{path}, row {number}"
        task, index, raw = _fields(row, where)
        if task not in known:
            raise InputError("an answer to a problem that the suite lacks", where=f"{where}: {task}")
        index = counted[task] if index is None else index
        counted[task] += 1
        if (task, index) in seen:
            raise InputError("the same answer index comes twice", where=f"{where}: {task}, index {index}")
        seen.add((task, index))
        if task in asked:
            found.append((asked[task], index, raw))
    if n is not None:
        found = _first(found, n)
    if not found:
        raise InputError("no answers to the suite's problems", where=path)
    sampling = Sampling(n=max(Counter(problem.id for problem, _, _ in found).values()))
    name = f"recorded:{path.name}"
    return [
        to_sample(problem, index, raw, model=name, sampling=sampling).model_copy(update={"prompt_sha256": ""})
        for problem, index, raw in found
    ]


def _first(found: list[tuple[Problem, int, str]], n: int) -> list[tuple[Problem, int, str]]:
    """The answers with the ``n`` lowest indices of each problem, from whatever number they count."""
    indices: dict[str, list[int]] = defaultdict(list)
    for problem, index, _ in found:
        indices[problem.id].append(index)
    kept = {name: set(sorted(some)[:n]) for name, some in indices.items()}
    return [item for item in found if item[1] in kept[item[0].id]]


def _fields(row: dict[str, Any], where: str) -> tuple[str, int | None, str]:
    task = row.get("task_id", row.get("problem_id"))
    if row.get("problem_id", task) != task:
        raise InputError("a row names two problems", where=where, fix="keep one of 'task_id' and 'problem_id'")
    if not isinstance(task, str):
        raise InputError("expected the problem's id under 'task_id' or 'problem_id'", where=where)
    index = row.get("index")
    if index is not None and (isinstance(index, bool) or not isinstance(index, int) or index < 0):
        raise InputError("expected a number from 0 under 'index'", where=where)
    raw = row.get("completion")
    if not isinstance(raw, str):
        raise InputError("expected the model's answer as text under 'completion'", where=where)
    return task, index, raw
