"""What a round trains on, as token ids: read row by row, encoded, and kept in an Arrow file that is mapped, not loaded.

Reads ``rtl.jsonl`` or ``data/*.parquet`` (round 1) or ``pairs.jsonl`` (round 2) of a finished stage folder; writes the
Arrow file, and what is too long into the stage's ``dropped.jsonl``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise, repeat
from pathlib import Path
from typing import Any, TypedDict

from autovcoder.errors import ConfigError, InputError, StoreError
from autovcoder.files import read_jsonl, writing
from autovcoder.models import folded
from autovcoder.prompt import chat, plain, user_text
from autovcoder.store import Stage
from finetune.context import SampledContext, Solved, with_context

_COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_AT_ONCE = 256
"""Texts that are encoded together: a tokenizer works on several of them at a time."""


class Example(TypedDict):
    """Token ids of one training example, and where those begin and end, by turns, that are not learned."""

    input_ids: list[int]
    unlearned: list[int]


class Row(TypedDict):
    """What an example is made of: a whole text, or a problem and its answer."""

    id: str
    problem: str | None
    text: str


def read_texts(corpus: Path) -> Iterator[Row]:
    """The RTL of a folder of ``data texts`` (``rtl.jsonl``) or of a corpus stage (``data/*.parquet``).

    Raises:
        InputError: there is neither, a file cannot be read, or a row has no id or text.
    """
    shards = sorted((corpus / "data").glob("*.parquet"))
    if (corpus / "rtl.jsonl").is_file():
        for number, row in enumerate(read_jsonl(corpus / "rtl.jsonl"), start=1):
            yield _as_text(row, f"{corpus / 'rtl.jsonl'}, row {number}")
    elif shards:
        yield from _read_shards(shards)
    else:
        raise InputError(
            "no RTL to train on: neither rtl.jsonl nor data/*.parquet",
            where=corpus,
            fix="give a folder of `data texts` or of a corpus stage",
        )


def _read_shards(shards: Iterable[Path]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for shard in shards:
        number = 0
        try:
            with pq.ParquetFile(shard) as file:
                for batch in file.iter_batches(batch_size=_AT_ONCE, columns=["id", "text"]):
                    for row in batch.to_pylist():
                        number += 1
                        yield _as_text(row, f"{shard}, row {number}")
        except (OSError, pa.ArrowException) as error:
            raise InputError("cannot read the shard", where=shard, fix=str(error)) from None


def _as_text(row: dict[str, Any], where: str) -> Row:
    return {"id": text_of(row, "id", where), "problem": None, "text": text_of(row, "text", where)}


def text_of(row: Any, key: str, where: str) -> str:
    """The text ``key`` of a row of JSON.

    Raises:
        InputError: there is none; names ``where`` the row is.
    """
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, str):
        raise InputError(f"the row has no text '{key}'", where=where)
    return value


def read_pairs(pairs: Path, context: SampledContext, seed: int) -> Iterator[Row]:
    """The problems and answers of ``pairs.jsonl``; each problem as it is asked, with context before it or without.

    Raises:
        InputError: the file cannot be read, or a row lacks a part of its draft.
    """
    shows = context.share or context.needed
    keys = ("id", *(["topic"] if shows else []), "problem", "code")
    drafts = (
        [text_of(row.get("draft"), key, f"{pairs / 'pairs.jsonl'}, row {number}, draft") for key in keys]
        for number, row in enumerate(read_jsonl(pairs / "pairs.jsonl"), start=1)
    )
    if not shows:
        for name, problem, code in drafts:
            yield {"id": name, "problem": user_text(problem), "text": code}
        return
    # References are drawn from all pairs.
    solved = [Solved(*draft) for draft in drafts]
    for pair, asked in zip(solved, with_context(solved, context, seed), strict=True):
        yield {"id": pair.id, "problem": asked, "text": pair.code}


def encode(
    rows: Iterable[Row],
    tokenizer: Any,
    *,
    prefix: str = "",
    learn_comments: bool = True,
    most: int | None = None,
    stage: Stage,
) -> Iterator[Example]:
    """Rows as token ids; one that is too long is dropped with its length, never cut.

    Args:
        prefix: put before each whole text. ``learn_comments``: and do not only read them. ``most``: tokens an
            example may have; None sets no limit.

    Raises:
        ConfigError: the tokenizer does not say where in a text a token stands, so that comments cannot be told.
    """
    already = {row["id"] for row in stage.rows("dropped.jsonl")}
    rows = iter(rows)
    while some := list(islice(rows, _AT_ONCE)):
        for row, example in zip(some, _encode_some(some, tokenizer, prefix, learn_comments), strict=True):
            length = len(example["input_ids"])
            if most is None or length <= most:
                yield example
            elif row["id"] not in already:
                stage.drop(row["id"], f"{length} tokens, the most is {most}")


def _encode_some(rows: list[Row], tokenizer: Any, prefix: str, learn_comments: bool) -> Iterator[Example]:
    texts = [prefix + row["text"] for row in rows if row["problem"] is None]
    if texts and not learn_comments and not tokenizer.is_fast:
        what = "this tokenizer does not say where its tokens stand in a text"
        raise ConfigError(what, where="learn_comments: false", fix="leave it out")
    found = tokenizer(texts, return_offsets_mapping=not learn_comments) if texts else {"input_ids": []}
    encoded = zip(found["input_ids"], found.get("offset_mapping", repeat(None)), texts, strict=False)
    end = tokenizer.eos_token_id
    for row in rows:
        if row["problem"] is not None:
            prompt, ids = encode_pair(tokenizer, row["problem"], row["text"])
            yield {"input_ids": ids, "unlearned": [0, len(prompt)]}
            continue
        ids, places, text = next(encoded)
        inside = in_comments(text, places) if places else []
        if ids[-1:] == [end]:  # some tokenizers put it there themselves, at no place of the text
            inside = inside[:-1]
        else:
            ids = [*ids, end]
        borders = [place for place, (one, next_) in enumerate(pairwise([False, *inside, False])) if one != next_]
        yield {"input_ids": ids, "unlearned": borders}


def in_comments(text: str, places: Iterable[tuple[int, int]]) -> list[bool]:
    """Whether each token of a text, of which ``places`` says where they begin and end, begins inside of a comment."""
    # Where a comment begins and where it ends, by turns: behind an odd number of them a token is inside of one.
    found = _COMMENT_OR_STRING.finditer(text)
    borders = [border for one in found if text[one.start()] == "/" for border in one.span()]
    return [bisect_right(borders, start) % 2 == 1 for start, _ in places]


def encode_pair(tokenizer: Any, problem: str, code: str) -> tuple[list[int], list[int]]:
    """(prompt ids, prompt and answer ids), in the very form in which ``autovcoder.models`` asks.

    An answer ends with a token of its own: with the end token where the chat template puts none there, since a model
    would never learn to stop.

    Raises:
        InputError: the chat template does not put an answer after its generation prompt.
    """
    if tokenizer.chat_template:
        prompt, whole = _in_template(tokenizer, problem, code)
        if not whole.startswith(prompt):
            raise InputError("the chat template puts an answer elsewhere than after the generation prompt")
        answer = whole[len(prompt) :]
        ends = (tokenizer.eos_token, *tokenizer.get_added_vocab())
        if not any(answer.rstrip().endswith(end) and not code.rstrip().endswith(end) for end in ends):
            answer += tokenizer.eos_token
    else:
        prompt, answer = plain(problem), f"{code}```{tokenizer.eos_token}"
    head = tokenizer(prompt, add_special_tokens=not tokenizer.chat_template)["input_ids"]
    return head, head + tokenizer(answer, add_special_tokens=False)["input_ids"]


def _in_template(tokenizer: Any, problem: str, code: str) -> tuple[str, str]:
    """The text of the prompt, and of the whole conversation."""
    from jinja2 import TemplateError

    error: TemplateError | None = None
    for messages in (chat(problem), folded(problem)):  # a template may refuse the system role
        try:
            prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            answered = [*messages, {"role": "assistant", "content": code}]
            return prompt, tokenizer.apply_chat_template(answered, tokenize=False)
        except TemplateError as refused:
            error = refused
    raise InputError("the model's chat template does not work", fix=str(error))


def write_examples(examples: Iterable[Example], path: Path) -> None:
    """Write ``path`` in one step; `open_examples` reads it.

    Raises:
        StoreError: it cannot be written (a full disk).
    """
    import pyarrow as pa

    ids = pa.field("input_ids", pa.list_(pa.int32()))
    schema = pa.schema([ids, pa.field("unlearned", pa.list_(pa.int32())), pa.field("length", pa.int32())])
    partial = path.with_suffix(".partial")
    examples = iter(examples)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            while some := list(islice(examples, _AT_ONCE)):
                columns = {
                    "input_ids": [example["input_ids"] for example in some],
                    "unlearned": [example["unlearned"] for example in some],
                    "length": [len(example["input_ids"]) for example in some],
                }
                writer.write_batch(pa.record_batch(columns, schema=schema))
        partial.replace(path)


def open_examples(path: Path) -> Any:
    """The examples as a ``datasets.Dataset`` (``input_ids``, ``unlearned``, ``length``) that stays on disk.

    Raises:
        StoreError: another version wrote the file, and what it did not learn was told otherwise.
    """
    from datasets import Dataset, List

    examples = Dataset.from_file(str(path))
    if not isinstance(examples.features["unlearned"], List):
        raise StoreError("another version began this training", where=path, fix="use a new --out")
    return examples
