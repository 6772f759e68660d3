"""Our records as datatrove's documents, and as rows of Parquet: the one place that knows both.

Reads and writes Parquet shards, ``data/*.parquet`` of a stage folder, one row an `RtlModule`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.data import Document
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

from autovcoder.errors import StoreError
from autovcoder.records import Port, Provenance, QualityScore, RtlModule
from autovcoder.store import read_manifest

if TYPE_CHECKING:
    import pyarrow as pa

DATA = "data"
_SOURCE = ("repo", "commit", "path", "license", "first_line", "last_line")
REASON = "filter_reason"
"""Where datatrove's filters put the reason for a drop."""


def to_document(module: RtlModule) -> Document:
    """A module as a document: the code is its text, the rest its metadata, flat."""
    row = _to_row(module)
    return Document(text=row.pop("text"), id=row.pop("id"), metadata=row)


def to_module(document: Document) -> RtlModule:
    """The module that `to_document` was given."""
    return _from_row({**document.metadata, "id": document.id, "text": document.text})


def dropped_row(document: Document, stage: str, reason: str = "") -> dict[str, Any]:
    """A row of ``dropped.jsonl``: ``where`` says repository, path and line."""
    data = document.metadata
    why = reason or data[REASON]
    where = f"{data['repo']} {data['path']}:{data['first_line']}"
    return {"id": document.id, "stage": stage, "reason": why, "where": where, "name": data["name"]}


class ModuleReader(ParquetReader):  # type: ignore[misc]
    """A step that reads the shards of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), glob_pattern="*.parquet", batch_size=100)
        self._folder = folder

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        # The phase before may have dropped everything.
        if any(self._folder.glob("*.parquet")):
            yield from super().run(data, rank, world_size)

    def _default_adapter(self, data: dict[str, Any], _path: str, _number: int | str) -> dict[str, Any]:
        return {"text": data.pop("text"), "id": data.pop("id"), "metadata": data}


class ModuleWriter(ParquetWriter):  # type: ignore[misc]
    """A step that writes a shard for each task into a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), compression="zstd", schema=parquet_schema(), batch_size=100, max_file_size=-1)

    def _default_adapter(self, document: Document) -> dict[str, Any]:
        row = {**document.metadata, "id": document.id, "text": document.text}
        row.pop(REASON, None)
        return row


class DropWriter(JsonlWriter):  # type: ignore[misc]
    """What filters write the documents to that they drop: rows of ``dropped.jsonl``, a file for each task.

    Args:
        reason: for filters that name none.
    """

    def __init__(self, folder: Path, stage: str, reason: str = "") -> None:
        super().__init__(str(folder), compression=None)
        self._stage, self._reason = stage, reason

    def _default_adapter(self, document: Document) -> dict[str, Any]:
        return dropped_row(document, self._stage, self._reason)


def read_modules(folder: Path) -> Iterator[RtlModule]:
    """The modules of a finished stage folder, in the order of its shards, a hundred in memory at a time.

    Raises:
        StoreError: the folder is not finished, or a shard cannot be read.
    """
    for row in read_columns(folder, None):
        yield _from_row(row)


def read_columns(folder: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """Some columns of all modules of a finished stage folder (None: all), in the order of its shards.

    Raises:
        StoreError: see `read_modules`.
    """
    read_manifest(folder)
    yield from shard_rows(folder, columns)


def shard_rows(folder: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """`read_columns`, also of a stage that is under way."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for shard in sorted((Path(folder) / DATA).glob("*.parquet")):
        try:
            with pq.ParquetFile(shard) as file:
                for batch in file.iter_batches(batch_size=100, columns=columns):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise StoreError("cannot read the shard", where=shard, fix=str(error)) from None


def parquet_schema() -> pa.Schema:
    """The columns of a shard."""
    import pyarrow as pa

    port = pa.struct([("name", pa.string()), ("direction", pa.string()), ("width", pa.int64())])
    part = pa.struct([("criterion", pa.string()), ("value", pa.float64())])
    text = ("id", "name", "language", "text", "repo", "commit", "path", "license", "scorer")
    return pa.schema(
        [(name, pa.string()) for name in text]
        + [("first_line", pa.int64()), ("last_line", pa.int64()), ("score", pa.float64())]
        + [("ports", pa.list_(port)), ("instances", pa.list_(pa.string())), ("rubric", pa.list_(part))]
    )


def _to_row(module: RtlModule) -> dict[str, Any]:
    score = module.score
    return {
        "id": module.id,
        "name": module.name,
        "language": module.language,
        "text": module.code,
        "ports": [port.model_dump() for port in module.ports],
        "instances": list(module.instances),
        **module.provenance.model_dump(),
        "scorer": score.scorer if score else None,
        "score": score.value if score else None,
        "rubric": [{"criterion": key, "value": value} for key, value in score.rubric.items()] if score else [],
    }


def _from_row(row: dict[str, Any]) -> RtlModule:
    score = None
    if row["scorer"] is not None:
        rubric = {part["criterion"]: part["value"] for part in row["rubric"]}
        score = QualityScore(scorer=row["scorer"], value=row["score"], rubric=rubric)
    return RtlModule(
        id=row["id"],
        name=row["name"],
        language=row["language"],
        code=row["text"],
        ports=tuple(Port(**port) for port in row["ports"]),
        instances=tuple(row["instances"]),
        provenance=Provenance(**{key: row[key] for key in _SOURCE}),
        score=score,
    )
