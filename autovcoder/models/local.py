"""Models that run on this machine: the packaged one, a folder, or a Hugging Face id, LoRA adapters included.

Reads weights from a folder or the Hugging Face cache (a folder never touches the network); writes nothing itself.
What is common to all of them is here: rows and seeds, the limits of the context, and where an answer ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from autovcoder.errors import ContextTooLong, ModelError
from autovcoder.models import Stop
from autovcoder.records import Sampling

if TYPE_CHECKING:
    from autovcoder.models.transformers_engine import TransformersEngine

PACKAGED = ("nano",)
# How often a growing answer is put to `stop`, in tokens: often enough to waste little, seldom enough to cost little.
CHECK_EVERY = 4


@dataclass(frozen=True)
class Row:
    """One answer to be generated.

    Attributes:
        tokens: of its prompt and of what its answer starts with.
        begun: how many of them are the answer's. ``seed``: of its own random stream.
    """

    prompt: int
    index: int
    tokens: tuple[int, ...]
    begun: int
    seed: int


class Finished(Protocol):
    """Says whether the tokens generated so far for a row complete its answer."""

    def __call__(self, row: Row, tokens: Sequence[int]) -> bool: ...


class LocalModel:
    """A `TextModel` whose weights are on this machine.

    Args:
        name: ``nano`` (the packaged model), a folder, or a Hugging Face id. A folder that holds
            ``adapter_config.json`` is a LoRA adapter: its base model is loaded and the adapter merged into it.

    Attributes:
        new_tokens: how many tokens it has generated so far.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.
    """

    def __init__(self, name: str) -> None:
        from autovcoder.models.transformers_engine import TransformersEngine

        self._start(TransformersEngine.load(resolve(name), name), name)

    @classmethod
    def from_loaded(cls, model: Any, tokenizer: Any, name: str = "") -> Self:
        """A model that is in memory already, with its tokenizer; ``name`` is what results are filed under.

        It is neither converted, merged nor moved. A call of ``complete`` may come in the middle of a training: after it
        the model is as it was before.
        """
        from autovcoder.models.transformers_engine import TransformersEngine

        made = cls.__new__(cls)
        made._start(TransformersEngine(model, tokenizer), name)
        return made

    def _start(self, engine: TransformersEngine, name: str) -> None:
        self.name = name
        self.new_tokens = 0
        self._engine = engine

    @property
    def context(self) -> int | None:
        """See `TextModel`."""
        return self._engine.context

    def count_tokens(self, text: str) -> int:
        """See `TextModel`."""
        return len(self._engine.encode_answer(text))

    def complete(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        starts: Sequence[str] = (),
        stop: Stop | None = None,
        seeded_by: Sequence[str] = (),
    ) -> list[list[str]]:
        engine = self._engine

        def answer(row: Row, tokens: Sequence[int]) -> str:
            return answer_text(engine, row, tokens, starts[row.prompt])

        def finished(row: Row, tokens: Sequence[int]) -> bool:
            return stop is not None and stop(row.prompt, answer(row, tokens))

        if not starts or not engine.answers_with_code:
            starts = [""] * len(prompts)
        rows = [
            row
            for number, (prompt, start, seed_text) in enumerate(zip(prompts, starts, seeded_by or prompts, strict=True))
            for row in self._rows(number, prompt, start, seed_text, sampling)
        ]
        answers: list[dict[int, str]] = [{} for _ in prompts]
        for batch, max_new in self._batches(rows, sampling):
            for row, tokens in zip(batch, engine.generate(batch, max_new, sampling, finished), strict=True):
                self.new_tokens += len(tokens)
                answers[row.prompt][row.index] = answer(row, up_to_complete(row, tokens, finished))
        if sampling.temperature == 0:
            return [[found[0]] * sampling.n for found in answers]
        return [[found[i] for i in range(sampling.n)] for found in answers]

    def _batches(self, rows: list[Row], sampling: Sampling) -> Iterator[tuple[list[Row], int]]:
        """Rows that are asked for together, with the number of new tokens that all of them have room for.

        Rows are sorted by length, so that little is padded. A prompt that leaves less room than asked for runs by
        itself, so that it shortens no other's answer.
        """
        rows.sort(key=lambda row: len(row.tokens))
        batch: list[Row] = []
        batch_room = 0
        for row in rows:
            room = self._room(row, sampling)
            joins = room == batch_room and (room == sampling.max_new_tokens or row.prompt == batch[-1].prompt)
            if batch and not joins:
                yield batch, batch_room
                batch = []
            batch.append(row)
            batch_room = room
        if batch:
            yield batch, batch_room

    def _room(self, row: Row, sampling: Sampling) -> int:
        """How many new tokens the context has room for, up to as many as were asked for."""
        context = self._engine.context
        return sampling.max_new_tokens if context is None else min(sampling.max_new_tokens, context - len(row.tokens))

    def _rows(self, number: int, prompt: str, start: str, seed_text: str, sampling: Sampling) -> list[Row]:
        begun = self._engine.encode_answer(start) if start else []
        tokens = (*self._engine.encode(prompt), *begun)
        context = self._engine.context
        if context is not None and len(tokens) >= context:
            raise ContextTooLong(
                f"the prompt has {len(tokens)} tokens and the model's context holds {context}",
                where=self.name,
                fix="shorten the specification or use a model with a longer context",
            )
        # Greedy answers are all the same: one is enough.
        count = sampling.n if sampling.temperature > 0 else 1
        return [
            Row(number, index, tokens, len(begun), row_seed(sampling.seed, seed_text, index)) for index in range(count)
        ]


def answer_text(engine: TransformersEngine, row: Row, tokens: Sequence[int], start: str) -> str:
    """The answer of which ``tokens`` were generated and that was made to begin with ``start``; no end token in it."""
    begun = row.tokens[len(row.tokens) - row.begun :]
    if tokens and tokens[-1] in engine.ends:
        tokens = tokens[:-1]  # not every tokenizer knows it as a special one
    # The start as it was given: a tokenizer need not give back what it read.
    return start + engine.decode([*begun, *tokens])[len(engine.decode(begun)) :]


def up_to_complete(row: Row, tokens: Sequence[int], finished: Finished) -> Sequence[int]:
    """The answer up to the first token that completes it; earlier ones were put to ``finished`` on the way."""
    for end in range(max(1, len(tokens) - CHECK_EVERY), len(tokens)):
        if finished(row, tokens[:end]):
            return tokens[:end]
    return tokens


def row_seed(seed: int, text: str, index: int) -> int:
    """A 63-bit seed for one answer, so that it depends on neither the batch nor the order of the prompts."""
    digest = hashlib.sha256(f"{seed}\0{index}\0{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def resolve(name: str) -> Path | str:
    """A folder where ``name`` means one, otherwise ``name`` itself as a Hugging Face id.

    Raises:
        ModelError: it is meant as a folder and there is none, or as an id and cannot be one.
    """
    if name in PACKAGED:
        folder = Path(str(files("autovcoder") / "assets" / name))
        if not (folder / "config.json").is_file():
            raise ModelError(
                "the packaged model is not in this installation", where=name, fix="install autovcoder again"
            )
        return folder
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not any((folder / file).is_file() for file in ("config.json", "adapter_config.json")):
            raise ModelError("not a model folder", where=name, fix="it has neither config.json nor adapter_config.json")
        return folder
    # A Hugging Face id is 'name' or 'owner/name'; anything else that looks like a path was meant as one.
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or folder.exists() or any(c.isspace() for c in name):
        raise ModelError("no such model folder", where=name, fix="give 'nano', a folder, or a Hugging Face id")
    return name
