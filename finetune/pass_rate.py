"""How many problems the model in memory solves: one greedy answer each, simulated.

Reads a ``problems.jsonl``; writes nothing. The model may be in the middle of its training, which then goes on as if
nobody had asked.
"""

from __future__ import annotations

import contextlib
import random
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import PositiveInt

from autovcoder.config import Settings
from autovcoder.errors import ContextTooLong, InputError
from autovcoder.files import read_jsonl, read_records, write_jsonl
from autovcoder.models.asking import complete_each
from autovcoder.models.local import LocalModel
from autovcoder.overlap import ShingleIndex, shingles, word_ngrams, words
from autovcoder.prompt import user_text
from autovcoder.records import Problem, Sampling
from hdl_sim.extract import answer_complete, extract_code
from hdl_sim.simulator import Simulator, simulate_many
from hdl_sim.statement import stated_interface

# Thirteen words in a row are how training data is freed from benchmarks (Brown et al. 2020, appendix C). By set phrases
# alone, a held-out problem of the parametric families shared up to 0.63 of its own with one of 1,500 training problems.
_WORDS, _COPIED = 13, 0.9


class ValidationSettings(Settings):
    """Validation by simulation.

    Attributes:
        problems: a JSONL file of problems, such as ``problems.jsonl`` of ``autovcoder data pairs`` or of ``autovcoder
            eval problems``; None validates nothing. Not those of the final measurement.
        limit: the most problems asked; they are drawn once, by ``seed``.
        every: optimizer steps between two validations; there is one at the end too. Checkpoints are saved as often.
        patience: stop after so many validations in a row without a better one; None trains to the end.
        max_new_tokens: of an answer.
    """

    problems: Path | None = None
    limit: PositiveInt = 64
    every: PositiveInt = 100
    patience: PositiveInt | None = None
    max_new_tokens: PositiveInt = 512
    seed: int = 0


@dataclass(frozen=True)
class Measured:
    """What the model in training did with ``count`` problems, one greedy answer each.

    Attributes:
        passed: answers that passed their testbench. ``compiled``: those that reached simulation, ``passed`` included.
        seconds: wall time, generation and simulation.
    """

    passed: int
    compiled: int
    count: int
    seconds: float


class PassRate:
    """The problems of a validation, and their measurement.

    Problems whose own reference does not pass here are left out with a warning: no answer to them says anything.

    Attributes:
        problems: those that are asked. ``left_out``: the ids of the others that were drawn.

    Raises:
        InputError: the file cannot be read, or no problem of it can be used.
        ToolMissing, ToolFailed: the simulator is not there, or broke.
    """

    def __init__(self, settings: ValidationSettings, tokenizer: Any, simulator: Simulator) -> None:
        if settings.problems is None:
            raise InputError("no problems to validate with", where="validation.problems", fix="give a problems.jsonl")
        self.settings = settings
        self._tokenizer = tokenizer
        self._simulator = simulator
        drawn = _draw(list(read_records(settings.problems, Problem)), settings)
        if not drawn:
            raise InputError("no problems to validate with", where=settings.problems, fix="give a problems.jsonl")
        # Now, and not a hundred steps later, it shows that there is no simulator or that a testbench is broken.
        checks = simulate_many(simulator, [(problem.reference, problem.bench) for problem in drawn])
        self._drawn = drawn
        self._ask(
            problem.id
            for problem, verdict in zip(drawn, checks, strict=True)
            if verdict.passed or problem.reference is None
        )
        if not self.problems:
            raise InputError("none of the problems to validate with can be passed", where=settings.problems)
        if self.left_out:
            warnings.warn(
                f"{len(self.left_out)} of {len(drawn)} validation problems are left out, since their own references do "
                f"not pass here: {_some(self.left_out)}",
                stacklevel=2,
            )

    def _ask(self, ids: Iterable[str]) -> None:
        asked = set(ids)
        self.problems = tuple(problem for problem in self._drawn if problem.id in asked)
        self.left_out = tuple(problem.id for problem in self._drawn if problem.id not in asked)
        self._too_long: set[int] = set()

    def keep(self, file: Path) -> None:
        """Ask the problems named in ``file``, or write there which are asked: rates of one training are of one set.

        Another simulator, or a time-out on a busy machine, might have a resumed training ask others.

        Raises:
            StoreError: it cannot be written. InputError: it cannot be read.
        """
        if file.exists():
            self._ask(row["id"] for row in read_jsonl(file))
        else:
            write_jsonl(file, [{"id": problem.id} for problem in self.problems])

    def copies(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The ids of the problems whose words stand in ``texts``, the training data, with a warning if there are any.

        A copy has nine tenths of the rows of thirteen words that a problem consists of; of a shorter problem, it is the
        whole text.
        """
        index = ShingleIndex()
        asked = [user_text(problem.spec, problem.interface) for problem in self.problems]
        for text in asked:
            index.add(word_ngrams(text, _WORDS))
        whole = {tuple(words(text)): number for number, text in enumerate(asked)}
        found: set[int] = set()
        for text in texts:
            read = words(text)
            found.update(overlap.key for overlap in index.find(shingles(read, _WORDS), _COPIED))
            found.update(number for number in [whole.get(tuple(read))] if number is not None)
        ids = tuple(self.problems[number].id for number in sorted(found))
        if ids:
            warnings.warn(
                f"{len(ids)} of {len(self.problems)} validation problems are in the training data, so their pass rate "
                f"says nothing about new problems: {_some(ids)}",
                stacklevel=2,
            )
        return ids

    def measure(self, model: Any) -> Measured:
        """Ask the model in memory and simulate its answers; it and all random streams stay as they are.

        Raises:
            ModelError: the model cannot generate. ToolFailed: the simulator broke.
        """
        start = time.monotonic()
        with same_random_streams():
            asked = LocalModel.from_loaded(model, self._tokenizer, "the model in training")
            answers = self._answers(asked)
        jobs = [
            (extract_code(raw, header=problem.interface), problem.bench)
            for problem, raw in zip(self.problems, answers, strict=True)
        ]
        verdicts = list(simulate_many(self._simulator, jobs))
        return Measured(
            passed=sum(verdict.passed for verdict in verdicts),
            compiled=sum(verdict.stage == "simulate" for verdict in verdicts),
            count=len(verdicts),
            seconds=round(time.monotonic() - start, 1),
        )

    def _answers(self, model: LocalModel) -> list[str]:
        """One answer to each problem; to one that is longer than the model's context, an empty one."""
        # Once it is known which do not fit, the others are asked together.
        fitting = [number for number in range(len(self.problems)) if number not in self._too_long]
        answers = [""] * len(self.problems)
        found = _complete(model, [self.problems[number] for number in fitting], self.settings.max_new_tokens)
        for number, answer in zip(fitting, found, strict=True):
            if isinstance(answer, ContextTooLong):
                self._too_long.add(number)
            else:
                [answers[number]] = answer
        return answers


def _draw(problems: list[Problem], settings: ValidationSettings) -> list[Problem]:
    """At most ``limit`` of the problems, in the file's order."""
    if len(problems) <= settings.limit:
        return problems
    chosen = random.Random(settings.seed).sample(range(len(problems)), settings.limit)
    return [problems[number] for number in sorted(chosen)]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")


def _complete(
    model: LocalModel, problems: Sequence[Problem], max_new_tokens: int
) -> Sequence[Sequence[str] | ContextTooLong]:
    if not problems:
        return []
    stated = [stated_interface(problem.spec, problem.interface) for problem in problems]
    return complete_each(
        model,
        [user_text(problem.spec, problem.interface) for problem in problems],
        Sampling(max_new_tokens=max_new_tokens),
        starts=[one.start for one in stated],
        stop=lambda number, text: answer_complete(text, stated[number].name),
    )


@contextlib.contextmanager
def same_random_streams() -> Iterator[None]:
    """What is drawn inside leaves the random streams of Python, NumPy and torch as they were."""
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
