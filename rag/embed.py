"""Texts become vectors: by the small static model inside the package, or by any sentence-transformers encoder.

Reads an encoder's folder (or fetches one by its Hugging Face id); writes nothing. A static model is a table of one
vector for each token, and a text is their mean: numpy does that, so neither torch nor a second is needed for a query.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from autovcoder.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
Side = Literal["query", "document"]
"""Some encoders put another prompt before a question than before what answers it."""

PACKAGED = "static"
_BATCH = 256


class Embedder(Protocol):
    """An encoder of texts.

    Attributes:
        name: what a store that was made with it says: ``static``, a folder, or a Hugging Face id.
        dimension: numbers of a vector.
    """

    name: str
    dimension: int

    def encode(self, texts: Sequence[str], side: Side) -> Vectors:
        """A row for each text, of length 1; of zeros for a text without any token."""


class StaticEmbedder:
    """A static model, as sentence-transformers saves its ``StaticEmbedding``; there it loads as well.

    Args:
        folder: holds ``tokenizer.json`` and ``model.safetensors``; the packaged one when not given.

    Raises:
        ModelError: the folder holds no such model.
    """

    def __init__(self, folder: Path | None = None) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self.name = PACKAGED if folder is None else str(folder)
        where = Path(str(files("rag") / "encoder")) if folder is None else _static_folder(folder)
        if where is None:
            raise ModelError("no static encoder is here", where=folder)
        try:
            self._table = load_file(where / "model.safetensors")["embedding.weight"].astype(np.float32)
            self._tokenizer = Tokenizer.from_file(str(where / "tokenizer.json"))
        except Exception as error:  # both libraries raise bare exceptions of their own
            raise ModelError("the static encoder cannot be loaded", where=where, fix=str(error)) from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.dimension = int(self._table.shape[1])

    def encode(self, texts: Sequence[str], side: Side) -> Vectors:  # noqa: ARG002
        """See `Embedder`; both sides are alike."""
        parts = [self._encode(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        sums = np.zeros((len(texts), self.dimension), np.float32)
        for row, one in enumerate(encoded):
            if one.ids:
                # A sum has the direction of the mean.
                np.sum(self._table[one.ids], axis=0, out=sums[row])
        return unit_rows(sums)


class TransformerEmbedder:
    """Any encoder that sentence-transformers loads, such as BAAI/bge-m3.

    Raises:
        ModelError: there is none of this name, or sentence-transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._model = load_sentence_transformer(name)
        dimension = self._model.get_embedding_dimension()
        self.dimension = int(dimension or 0)

    def encode(self, texts: Sequence[str], side: Side) -> Vectors:
        """See `Embedder`."""
        encode = self._model.encode_query if side == "query" else self._model.encode_document
        found: Vectors = encode(list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
        return np.ascontiguousarray(found, np.float32)


def open_embedder(name: str = PACKAGED) -> Embedder:
    """The encoder called ``name``: ``static`` (the packaged one), a folder, or a Hugging Face id.

    Raises:
        ModelError: there is none, or it cannot be loaded.
    """
    if name == PACKAGED:
        return StaticEmbedder()
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return TransformerEmbedder(name)
    folder = folder.resolve()  # a store keeps the name, and may be opened from elsewhere
    return StaticEmbedder(folder) if _static_folder(folder) else TransformerEmbedder(str(folder))


def load_sentence_transformer(name: str) -> SentenceTransformer:
    """An encoder (a folder or a Hugging Face id) as sentence-transformers' own object, to train or to be asked.

    Raises:
        ModelError: it cannot be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ModelError(
            "this encoder needs sentence-transformers", where=name, fix="pip install 'autovcoder[rag]'"
        ) from None
    from autovcoder.models.transformers_engine import quiet

    folder = Path(name).expanduser()
    try:
        with quiet():
            return SentenceTransformer(str(folder) if folder.is_dir() else name, device=None if _has_gpu() else "cpu")
    except Exception as error:  # whatever a hub, a file or a config made it raise
        fix = str(error).strip().splitlines()
        raise ModelError("the encoder cannot be loaded", where=name, fix=fix[0] if fix else "") from None


def unit_rows(vectors: Vectors) -> Vectors:
    """Every row divided by its length; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled


def _static_folder(folder: Path) -> Path | None:
    """Where in a folder of sentence-transformers a static encoder's table is; None where there is no such encoder.

    Some versions put it into a folder of its own, which ``modules.json`` names.
    """
    listed = folder / "modules.json"
    if not listed.is_file():
        bare = (folder / "tokenizer.json").is_file() and not (folder / "config.json").is_file()
        return folder if bare else None
    try:
        [module] = json.loads(listed.read_text(encoding="utf-8"))
        return folder / str(module["path"]) if str(module["type"]).endswith("StaticEmbedding") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # of several modules, or not to be read: sentence-transformers will say what is wrong


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
