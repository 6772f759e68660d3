"""Answers for reinforcement learning as tokens, asked for, cut and read exactly as in generation and evaluation.

Reads a model in the middle of its training; writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autovcoder.models.local import CHECK_EVERY, Row, answer_text, row_seed, up_to_complete
from autovcoder.models.transformers_engine import TransformersEngine
from autovcoder.records import Sampling
from finetune.rewards import Task


@dataclass(frozen=True, slots=True)
class Answer:
    """One sampled answer.

    Attributes:
        prompt: token ids of the prompt and of what the answer was made to start with: nothing of it is learned.
        tokens: those that the model chose, at least one; the last one is the end token by which it ended, if it did.
        logprobs: of ``tokens``, where whoever sampled them told.
        text: the whole answer, its start included.
    """

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    text: str
    logprobs: tuple[float | None, ...] | None = None


class AnswerSampler:
    """Asks a model that is in memory for answers to tasks.

    Args:
        model: in training or not; it is left as it was.
        sampling: temperature, top_p and the most new tokens of an answer count; seeds are given for each call.
    """

    def __init__(self, model: Any, tokenizer: Any, sampling: Sampling) -> None:
        self._engine = TransformersEngine(model, tokenizer)
        self._sampling = sampling

    def fits(self, task: Task) -> bool:
        """Whether the context has room for the prompt and the longest answer."""
        context = self._engine.context
        return context is None or len(self._row(task).tokens) + self._sampling.max_new_tokens <= context

    def sample(self, tasks: Sequence[Task], seed: int) -> list[Answer]:
        """An answer to each task; one that comes several times is answered differently each time.

        The same model, seed and task give the same answers, whatever else is asked beside it.
        """
        rows = self._rows(tasks, seed)
        # Rows of like length together, so that little is padded, and of one prompt, so that it is read once.
        order = sorted(rows, key=lambda row: (len(row.tokens), row.tokens))
        chosen = self._engine.generate(
            order,
            self._sampling.max_new_tokens,
            self._sampling,
            lambda row, tokens: self._complete(tasks[row.prompt], row, tokens),
            keep_end=True,
        )
        made = {row.prompt: tokens for row, tokens in zip(order, chosen, strict=True)}
        return [self._answer(tasks[row.prompt], row, made[row.prompt]) for row in rows]

    def sample_by_vllm(self, tasks: Sequence[Task], seed: int, vllm: Any, repeated: int) -> list[Answer]:
        """As `sample`, by trl's ``VLLMGeneration``, which has seeds of its own; each task comes ``repeated`` times."""
        rows = self._rows(tasks, seed)
        _, chosen, logprobs, _ = vllm.generate(
            prompts=[list(row.tokens) for row in rows], images=None, num_generations=repeated
        )
        answers = []
        for row, tokens, told in zip(rows, chosen, logprobs, strict=True):
            task = tasks[row.prompt]
            # vLLM goes on behind a complete answer, so that the whole need not be complete any more.
            asked = range(CHECK_EVERY, len(tokens), CHECK_EVERY)
            stop = next((at for at in asked if self._complete(task, row, tokens[:at])), len(tokens))
            answers.append(self._answer(task, row, tokens[:stop], [token[0] for token in told[:stop]]))
        return answers

    def _rows(self, tasks: Sequence[Task], seed: int) -> list[Row]:
        """One row a task; its ``prompt`` is the place in ``tasks``, its ``index`` counts the times that it came."""
        came: Counter[str] = Counter()
        rows = []
        for number, task in enumerate(tasks):
            rows.append(self._row(task, number, came[task.id], row_seed(seed, task.prompt, came[task.id])))
            came[task.id] += 1
        return rows

    def _row(self, task: Task, number: int = 0, index: int = 0, seed: int = 0) -> Row:
        start = self._start(task)
        begun = self._engine.encode_answer(start) if start else []
        return Row(number, index, (*self._engine.encode(task.prompt), *begun), len(begun), seed)

    def _start(self, task: Task) -> str:
        return task.stated.start if self._engine.answers_with_code else ""

    def _answer(
        self, task: Task, row: Row, tokens: Sequence[int], logprobs: Sequence[float | None] | None = None
    ) -> Answer:
        """The answer up to the first token that completes it; earlier ones were looked at on the way."""
        kept = up_to_complete(row, tokens, lambda row, tokens: self._complete(task, row, tokens))
        told = None if logprobs is None else tuple(logprobs[: len(kept)])
        return Answer(row.tokens, tuple(kept), self._text(task, row, kept), told)

    def _complete(self, task: Task, row: Row, tokens: Sequence[int]) -> bool:
        return task.is_complete(self._text(task, row, tokens))

    def _text(self, task: Task, row: Row, tokens: Sequence[int]) -> str:
        return answer_text(self._engine, row, tokens, self._start(task))


class Rollouts:
    """The rollout function that trl calls: answers to a batch of prompts, sampled from the model as it is now.

    Args:
        tasks: by their prompts.
    """

    def __init__(self, tasks: Mapping[str, Task], tokenizer: Any, sampling: Sampling) -> None:
        self._tasks = tasks
        self._tokenizer = tokenizer
        self._sampling = sampling
        self._last: tuple[int, int] = (-1, 0)

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """Token ids of prompts and completions, and the whole answers' texts as the column ``answer``."""
        tasks = [self._tasks[prompt] for prompt in prompts]
        sampler = AnswerSampler(trainer.accelerator.unwrap_model(trainer.model), self._tokenizer, self._sampling)
        if trainer.use_vllm:
            answers = sampler.sample_by_vllm(tasks, 0, trainer.vllm_generation, trainer.num_generations)
        else:
            answers = sampler.sample(tasks, self._seed(trainer))
        told = [answer.logprobs for answer in answers]
        return {
            "prompt_ids": [list(answer.prompt) for answer in answers],
            "completion_ids": [list(answer.tokens) for answer in answers],
            "logprobs": told if trainer.use_vllm else None,
            "answer": [answer.text for answer in answers],
        }

    def _seed(self, trainer: Any) -> int:
        """New for every batch and process, and the same again in a training that was resumed."""
        step, times = self._last
        now = int(trainer.state.global_step)
        self._last = (now, times + 1 if step == now else 0)
        return row_seed(self._sampling.seed, f"step {now}, process {trainer.accelerator.process_index}", self._last[1])
